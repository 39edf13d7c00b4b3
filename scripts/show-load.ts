import { loadAgrees } from './shows/load-agrees.ts';
import { loadBesideVllm } from './shows/load-beside-vllm.ts';
import { say } from './shows/scene.ts';

// `npm run show:load [rate] [seconds] [seed]`: what `headgate load` measures beside the delays that a server really made, and beside what
// `vllm bench serve` measures of the same server, where there is a vLLM (`npm run test:vllm` makes an environment for it).
const [rate = 30, seconds = 30, seed = 1] = process.argv.slice(2).map(Number);
const { lines, agrees } = await loadAgrees(rate, seconds, seed);
for (const line of lines) say(line);
say(agrees ? 'They agree within 2 %.' : 'They do not agree within 2 %.');
const beside = await loadBesideVllm(process.env);
for (const line of beside?.lines ?? ['skipped: no vLLM is installed to measure the same server with']) say(line);
if (beside) say(beside.agrees ? 'The two agree within 2 %.' : 'The two do not agree within 2 %.');
process.exitCode = agrees && (beside?.agrees ?? true) ? 0 : 1;

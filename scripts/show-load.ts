import { loadAgrees } from './shows/load-agrees.ts';

// `npm run show:load [rate] [seconds] [seed]`: what `headgate load` measures beside the delays that a server really made.
const [rate = 30, seconds = 30, seed = 1] = process.argv.slice(2).map(Number);
const { lines, agrees } = await loadAgrees(rate, seconds, seed);
process.stdout.write(`${lines.join('\n')}\n${agrees ? 'They agree within 2 %.' : 'They do not agree within 2 %.'}\n`);
process.exitCode = agrees ? 0 : 1;

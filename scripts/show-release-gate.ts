import { showGate } from './shows/release-gate.ts';
import { say } from './shows/scene.ts';

// `npm run show:release-gate [FLAGS OF release-gate]`: two simulated engines pass, and fail when one of them takes 12 s to a first token.
const args =
  process.argv.length > 2 ? process.argv.slice(2) : ['--quick', '--soak', '30s', '--input', '64', '--output', 'lognormal:24:0.4'];

say('Two engines of an RTX 4080 each:');
const good = await showGate(null, args);
say(`exit ${good.exitCode}. ${good.verdict}`);
say('One engine, and a worker that takes 12 s to a first token:');
const slow = await showGate(12_000, [...args, '--only', 'step', '--capacity', '6']);
say(`exit ${slow.exitCode}. ${slow.verdict}`);
const isShown = good.exitCode === 0 && slow.exitCode === 1 && slow.failed.some((criterion) => criterion.startsWith('p95 TTFT'));
say(isShown ? 'The healthy one passed, and the slow one was stopped.' : 'That is not as it should be.');
process.exitCode = isShown ? 0 : 1;

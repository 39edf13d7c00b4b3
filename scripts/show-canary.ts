import { say } from './shows/scene.ts';
import { showCanary } from './shows/canary.ts';

// `npm run show:canary [rate] [step seconds]`: of two canaries under load one is as good as what it stands beside, the other a fifth as fast.
const [rate = 8, stepSeconds = 20] = process.argv.slice(2).map(Number);
const MOST_SECONDS = 60;

say(`As fast as the others, ${rate} calls a second:`);
const good = await showCanary(1, rate, stepSeconds, 1);
say(`${good.status.state} after ${good.seconds.toFixed(0)} s; ${good.lost} of ${good.calls} calls lost`);
say('A fifth as fast:');
const slow = await showCanary(5, rate, stepSeconds, 2);
say(`${slow.status.state} after ${slow.seconds.toFixed(0)} s; ${slow.lost} of ${slow.calls} calls lost`);
const isShown =
  good.status.state === 'promoted' && slow.status.state === 'rolled_back' && slow.seconds < MOST_SECONDS && good.lost + slow.lost === 0;
say(
  isShown ? 'The good one was promoted, the slow one rolled back within a minute, and no call was lost.' : 'That is not as it should be.',
);
process.exitCode = isShown ? 0 : 1;

import { showCost } from './cost.ts';
import { showLive } from './live.ts';
import { LOADS } from './loads.ts';
import { showVirtually } from './virtual.ts';
import { say } from '../scene.ts';

// `npm run show:prefix [seeds] [load]`: what `load_balancer.affinity: prefix` brings beside p2c, beside a hash of how prompts begin, and beside
// one that knows each cache exactly: the gateway's own choice and the simulated engine's own scheduler and cache, in a time of their own, so
// that the same seed gives the same figures anywhere. `npm run show:prefix live [seconds] [pairs]`: p2c and the tree, in turn, on a gateway
// with four simulated engines, in real time, which passes faster for all of it. `npm run show:prefix cost`: what it costs a call.
const [first, second, third] = process.argv.slice(2);
if (first === 'cost') showCost(LOADS[0]!);
else {
  const isShown = first === 'live' ? await showLive(Number(second ?? 150), Number(third ?? 3)) : showVirtually(Number(first ?? 8), second);
  say(isShown ? 'The tree is where it should be.' : 'That is not as it should be.');
  process.exitCode = isShown ? 0 : 1;
}

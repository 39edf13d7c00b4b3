import { say } from './shows/scene.ts';
import { killsShown } from './shows/kills.ts';
import { seeded } from './load/workload/seeded.ts';

// That a batch outlives kill -9: `node scripts/show-batch-kills.ts [lines=2000] [kills=30] [seed]`. Ends with 1 where a line is missing, there
// twice, or has failed.

const [lines = 2_000, kills = 30, seed = Math.floor(Math.random() * 1_000_000)] = process.argv.slice(2).map(Number);
const LIMIT_MS = 1_800_000;

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
say(`${lines} lines, ${kills} kills, seed ${seed}`);
say('killed        lines  seconds  until lines went on');
const shown = await killsShown({ lines, kills, random: seeded(seed), limitMs: LIMIT_MS });
for (const { victim, at, atMs, goesOnMs, restartedByHand } of shown.kills) {
  const wentOn = goesOnMs === null ? 'the end' : `${(goesOnMs / 1e3).toFixed(1)} s`;
  const note = restartedByHand ? ' (given up after five deaths in ten minutes; restarted by an operator)' : '';
  say(`${victim.padEnd(12)}${String(at).padStart(7)}${(atMs / 1e3).toFixed(1).padStart(9)}  ${wentOn}${note}`);
}
const { completed, failed } = shown.batch.request_counts;
const of = (victim: string) => shown.kills.filter((kill) => kill.victim === victim).length;
say(`killed: ${['gateway', 'supervisor', 'engine', 'engine core'].map((victim) => `${victim} ${of(victim)}`).join(', ')}`);
say(`${completed} completed, ${failed} failed, in ${(shown.ms / 1e3).toFixed(0)} s`);
for (const fault of shown.faults) say(`WRONG: ${fault}`);
if (shown.faults.length === 0) say('every line is there once, and none has failed');
process.exit(shown.faults.length === 0 ? 0 : 1);

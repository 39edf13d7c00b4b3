import { say } from '../scene.ts';
import { churn, type Churned } from './churn.ts';

// `npm run show:churn [events] [seed] [processes]`: pods of a pretended cluster come, go, hang and are renamed by chance, its API server is restarted,
// forgets and lies, and clients call all the while. Afterwards: was the routing table the truth, and did every call get its answer?
const [events = 2_000, seed = 1, processes = 1] = process.argv.slice(2).map(Number);

const began = performance.now();
say(
  `${events} events by chance (seed ${seed}), a gateway of ${processes} process${processes === 1 ? '' : 'es'}, four clients that call one after another.`,
);
const churned = await churn({ events, seed, processes, say });
for (const line of lines(churned)) say(line);
const isShown = churned.settledMs.every((ms) => ms !== null) && churned.late.length === 0 && churned.tally.lost.size === 0;
const seconds = Math.round((performance.now() - began) / 1000);
say(
  isShown
    ? `Shown (${seconds} s): after each settling the routing table was the truth, nobody who was gone for two seconds was called, and no call was lost but by workers that died with it.`
    : `NOT shown (${seconds} s): see above.`,
);
process.exitCode = isShown ? 0 : 1;

function* lines({ happened, settledMs, tally, late }: Churned): Generator<string> {
  for (const [what, count] of [...happened].toSorted((a, b) => b[1] - a[1])) yield `  ${String(count).padStart(5)}  ${what}`;
  const times = settledMs.filter((ms) => ms !== null).toSorted((a, b) => a - b);
  const at = (share: number): number => Math.round(times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0);
  yield `settled ${times.length} of ${settledMs.length} times: within ${at(0.5)} ms at the median, ${at(1)} ms at the most`;
  yield `${tally.calls} calls: ${tally.whole} whole, ${tally.broken} broken off by a worker that died while it answered, ${tally.suspected} given up because two workers had died with them, ${[...tally.lost.values()].reduce((sum, n) => sum + n, 0)} lost`;
  for (const [why, count] of [...tally.lost].slice(0, 10)) yield `  ${count} lost: ${why}`;
  yield `${late.length} calls to a worker that was gone for over two seconds${late.length === 0 ? '' : `, the latest after ${Math.round(Math.max(...late))} ms`}`;
}

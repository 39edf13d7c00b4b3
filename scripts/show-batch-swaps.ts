import { say } from './shows/scene.ts';
import { swapsShown } from './shows/swaps.ts';

// That a batch for a model that is not loaded leaves interactive calls for the one that is alone: `node scripts/show-batch-swaps.ts
// [busy seconds=60] [lines=200]`, with models that end when they have to go and with models that sleep.

const [busySeconds = 60, lines = 200] = process.argv.slice(2).map(Number);
const DWELL_MS = 5_000;
const QUEUE_TIMEOUT_MS = 20_000;

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
let isWrong = false;
for (const strategy of ['cold', 'sleep'] as const) {
  const shown = await swapsShown({ strategy, lines, busyMs: busySeconds * 1_000, dwellMs: DWELL_MS, queueTimeoutMs: QUEUE_TIMEOUT_MS });
  const { busy } = shown;
  say(`swap.strategy ${strategy}, dwell_ms ${DWELL_MS}, queue_timeout_ms ${QUEUE_TIMEOUT_MS}`);
  say(
    `  ${busy.calls} interactive calls for the first model while a batch wanted the second: ${busy.refused.length} refused, the longest took ${busy.longestMs.toFixed(0)} ms; ${busy.swaps} changes of model, ${busy.linesMeanwhile} of ${lines} lines ran`,
  );
  say(`  operators were told: ${shown.told ?? 'nothing'}`);
  say(
    `  once they had stopped the batch was done after ${(shown.idleMs / 1e3).toFixed(1)} s, with ${shown.swapsWhenIdle} changes of model`,
  );
  say(
    `  a batch of ${lines} lines for both models by turns took ${(shown.mixedMs / 1e3).toFixed(1)} s and ${shown.swapsForMixed} changes of model`,
  );
  say(`  models that had to go had been there for ${shown.servedMs.map((ms) => (ms / 1e3).toFixed(1)).join(', ')} s`);
  for (const fault of shown.faults) say(`  WRONG: ${fault}`);
  isWrong ||= shown.faults.length > 0;
}
process.exit(isWrong ? 1 : 0);

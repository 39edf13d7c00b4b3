import type { CanaryStatus } from '../../gateway/canary/status.ts';
import { runLoad } from '../load/calls/run-load.ts';
import { arrivals } from '../load/workload/arrivals.ts';
import { syntheticPrompts } from '../load/workload/prompts.ts';
import { seeded } from '../load/workload/seeded.ts';
import { MODEL, SEATS, startEngines } from './engines.ts';
import { Scene, say, until } from './scene.ts';

const LONGEST_MS = 900_000;
const PROMPTS = { input: { kind: 'fixed', tokens: 64 }, output: { kind: 'fixed', tokens: 16 }, prefixGroups: 0, prefixTokens: 1 } as const;

/** What came of a canary under load. */
export interface ShownCanary {
  readonly status: CanaryStatus;
  /** From its start to its end. */
  readonly seconds: number;
  readonly calls: number;
  /** Calls of clients that were not answered whole. */
  readonly lost: number;
}

/** Two engines serve, and a third is tried beside them that takes so many times as long. `rate`: calls a second */
export async function showCanary(slowness: number, rate: number, stepSeconds: number, seed: number): Promise<ShownCanary> {
  using scene = await Scene.open({}, {});
  const urls = await startEngines(scene, [1, 1, slowness]);
  const workers = urls.map((url, i) => ({ url, max_num_seqs: SEATS, group: i < 2 ? 'main' : 'canary' }));
  scene.set({ workers });
  scene.start('gateway');
  await scene.ready();
  // One worker makes a gateway ready; a call that is lost before there are others says nothing of a canary.
  const isReady = async (): Promise<boolean> => {
    const { workers: all } = (await (await scene.admin('/admin/status'))!.json()) as { workers: { state: string }[] };
    return all.length === workers.length && all.every(({ state }) => state === 'ready');
  };
  await until(isReady, 'all workers are ready', 30_000);
  const over = new AbortController();
  const loading = runLoad(
    {
      target: { base: scene.url, endpoint: 'chat', model: MODEL, stream: true, headers: {}, extra: {}, timeoutMs: 120_000 },
      pace: {
        kind: 'open',
        at: arrivals([{ from: rate, to: rate, seconds: LONGEST_MS / 1000 }], { kind: 'gamma', shape: 1 }, seeded(seed)),
        mostAtOnce: 1_000,
      },
      prompts: syntheticPrompts(PROMPTS, seed),
      ...{ seed, cancelShare: 0 },
    },
    { signal: over.signal },
  );
  const started = performance.now();
  const look = async (): Promise<CanaryStatus> => (await (await scene.admin('/admin/canary'))!.json()) as CanaryStatus;
  const answer = await scene.admin('/admin/canary', 'POST', { action: 'start', step_seconds: stepSeconds, criteria: 'personal' });
  if (answer?.status !== 202) throw new Error(`it did not begin: ${await answer?.text()}`);
  await until(async () => (await look()).state !== 'running', 'the canary is over', LONGEST_MS);
  const seconds = (performance.now() - started) / 1000;
  const status = await look();
  over.abort();
  const { records } = await loading;
  const gone = records.filter(({ outcome }) => outcome !== 'ok' && outcome !== 'unfinished');
  for (const { outcome, status: code, code: why, worker, scheduledMs } of gone)
    say(`  lost: ${outcome} ${code} ${why} of ${worker} at ${Math.round(scheduledMs)} ms`);
  const lost = gone.length;
  for (const { at, message } of status.history) say(`  ${at.slice(11, 19)}  ${message}`);
  return { status, seconds, calls: records.length, lost };
}

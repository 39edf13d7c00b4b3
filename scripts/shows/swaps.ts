import { setTimeout as delay } from 'node:timers/promises';
import { chatLine, endedLines, faultsOf, resultsOf, submit, whenEnded } from './batch.ts';
import { Scene, until } from './scene.ts';

export const [FIRST, SECOND] = ['qwen2.5-1.5b-instruct-awq', 'mistral-7b-instruct'] as const;

export interface SwapsAsked {
  readonly strategy: 'cold' | 'sleep';
  /** Lines of each batch. */
  readonly lines: number;
  /** How long interactive calls for the first model keep coming while a batch wants the second. */
  readonly busyMs: number;
  readonly dwellMs: number;
  readonly queueTimeoutMs: number;
}

/** What came of a batch, and of the calls beside it. */
export interface Beside {
  readonly calls: number;
  /** Statuses of calls that were not answered with 200. */
  readonly refused: readonly number[];
  /** The longest that a call waited for its answer, refusals too. Milliseconds, as all times here. */
  readonly longestMs: number;
  readonly swaps: number;
  readonly linesMeanwhile: number;
}

export interface SwapsShown {
  readonly busy: Beside;
  /** From the last interactive call to the end of the batch, and the changes of model meanwhile. */
  readonly idleMs: number;
  readonly swapsWhenIdle: number;
  /** Of a file whose lines name both models by turns. */
  readonly mixedMs: number;
  readonly swapsForMixed: number;
  /** What operators are told of the batch while it stands still; null: nothing. */
  readonly told: string | null;
  /** How long each model that had to go had been ready. */
  readonly servedMs: readonly number[];
  readonly faults: readonly string[];
}

const EVERY_MS = 250;
const TOKENS = 16;
const LIMIT_MS = 180_000;

/**
 * Two simulated models that take turns: interactive calls keep coming for one while a batch wants the other, then they stop, and then a batch
 * wants both.
 */
export async function swapsShown({ strategy, lines, busyMs, dwellMs, queueTimeoutMs }: SwapsAsked): Promise<SwapsShown> {
  const settings = {
    models: [FIRST, SECOND].map((id) => ({ id, swap: { strategy, dwell_ms: dwellMs } })),
    admission: { queue_timeout_ms: queueTimeoutMs },
  };
  using scene = await Scene.open(settings, { SIM_START_MS: '400', SIM_SPEED: '0.2' });
  scene.start('serve', '--engine', 'sim');
  await scene.ready();
  const swaps = (): number => scene.logged('model.swap').filter(({ to }) => to !== null).length;
  const names = Array.from({ length: lines }, (_, at) => `line-${at}`);
  const faults: string[] = [];
  const whole = async (id: string): Promise<void> => {
    const batch = await whenEnded(scene.url, id, LIMIT_MS);
    const [output, errors] = [await resultsOf(scene.url, batch.output_file_id), await resultsOf(scene.url, batch.error_file_id)];
    faults.push(...faultsOf(batch, names, output, errors));
    if (errors.length > 0) faults.push(`${errors.length} lines have failed, the first with ${JSON.stringify(errors[0]!.response)}`);
  };

  const id = await submit(
    scene.url,
    names.map((name) => chatLine(name, name, SECOND, TOKENS)),
  );
  const calls = await callFor(scene.url, busyMs);
  const busy = { ...calls, swaps: swaps(), linesMeanwhile: (await endedLines(scene.url, id)) ?? 0 };
  const told = await toldOf(scene, id);
  const idleSince = performance.now();
  await whole(id);
  const [idleMs, swapsUntilNow] = [performance.now() - idleSince, swaps()];

  const mixedSince = performance.now();
  const mixed = await submit(
    scene.url,
    names.map((name, at) => chatLine(name, name, at % 2 === 0 ? FIRST : SECOND, TOKENS)),
  );
  await whole(mixed);
  await until(() => swaps() === swaps(), 'the log is read', 1_000);
  const servedMs = scene.logged('model.swap').flatMap(({ served_ms: ms }) => (typeof ms === 'number' ? [ms] : []));
  return {
    ...{ busy, idleMs, swapsWhenIdle: swapsUntilNow - busy.swaps, told, servedMs, faults },
    ...{ mixedMs: performance.now() - mixedSince, swapsForMixed: swaps() - swapsUntilNow },
  };
}

async function toldOf(scene: Scene, id: string): Promise<string | null> {
  const response = await scene.admin('/admin/batches');
  const { batches } = (await response!.json()) as { batches: { id: string; pause?: { reason: string } | null; note?: string | null }[] };
  const batch = batches.find((each) => each.id === id);
  return batch?.note ?? batch?.pause?.reason ?? null;
}

/** Interactive calls for the first model, one begun every quarter of a second. */
async function callFor(url: string, ms: number): Promise<Pick<Beside, 'calls' | 'refused' | 'longestMs'>> {
  const body = JSON.stringify({ model: FIRST, messages: [{ role: 'user', content: 'Hello' }], max_tokens: TOKENS });
  const refused: number[] = [];
  let longestMs = 0;
  const call = async (): Promise<void> => {
    const begun = performance.now();
    const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    await response.arrayBuffer();
    longestMs = Math.max(longestMs, performance.now() - begun);
    if (response.status !== 200) refused.push(response.status);
  };
  const calls: Promise<void>[] = [];
  for (const end = performance.now() + ms; performance.now() < end; await delay(EVERY_MS)) calls.push(call());
  await Promise.all(calls);
  return { calls: calls.length, refused, longestMs };
}

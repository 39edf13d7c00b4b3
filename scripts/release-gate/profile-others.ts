import { setTimeout as delay } from 'node:timers/promises';
import type { Ground, ProfileResult } from './ground.ts';
import { cancelVerdicts, drainVerdicts, fairVerdicts } from './judging/others.ts';
import { type ProcessMoment, soakVerdicts } from './judging/soak.ts';
import { steadyVerdicts } from './judging/steady.ts';

const SOAK_SHARE = 0.7;
const MOST_MOMENTS = 1_000;

/** A busy load for long, in which nothing may grow. */
export async function soak(ground: Ground): Promise<ProfileResult> {
  const { criteria, show, soakMs, asked } = ground.options;
  if ((await asked.process()) === null) return { kind: 'skipped', why: '/metrics tells nothing of its process, or asks for the admin key' };
  show('soak');
  const rate = ground.capacity * SOAK_SHARE;
  const moments: ProcessMoment[] = [];
  const started = performance.now();
  const over = new AbortController();
  const looking = (async () => {
    const everyMs = Math.max(500, soakMs / MOST_MOMENTS);
    while (!over.signal.aborted) {
      const told = await asked.process();
      if (told !== null) moments.push({ atMs: performance.now() - started, ...told });
      await delay(everyMs, undefined, { signal: over.signal }).catch(() => {});
    }
  })();
  const run = await ground.open([{ from: rate, to: rate, seconds: soakMs / 1000 }]);
  over.abort();
  await looking;
  const summary = ground.summary(run);
  const verdicts = [...soakVerdicts(run.records, moments, criteria), ...steadyVerdicts(summary, criteria, 'over the soak')];
  return { kind: 'ran', verdicts, figures: { moments }, parts: [{ name: '70 % of capacity', summary }], records: run.records };
}

const DRAIN_SHARE = 0.3;
const LOOK_MS = 200;
/** For a worker to finish what it has, and to come back: an engine of ours loads its model anew. */
const TURN_MS = 600_000;

/** Each worker is taken out of service and put back, one after another, while clients are answered. */
export async function drain(ground: Ground): Promise<ProfileResult> {
  const { criteria, show, asked, signal } = ground.options;
  if (!asked.hasAdmin) return { kind: 'skipped', why: 'it needs the admin key (--admin-key)' };
  const ready = (await asked.workers()).filter(({ state }) => state === 'ready');
  if (ready.length < 2)
    return { kind: 'skipped', why: `it needs two workers that are ready, and there ${ready.length === 1 ? 'is one' : 'is none'}` };
  const rate = ground.capacity * DRAIN_SHARE;
  const over = new AbortController();
  const running = ground.open([{ from: rate, to: rate, seconds: (ready.length * TURN_MS) / 1000 }], {
    stop: AbortSignal.any([signal, over.signal]),
  });
  let turned = 0;
  let trouble: string | null = null;
  const isIn = async (id: string, states: readonly string[]): Promise<boolean> => {
    const until = performance.now() + TURN_MS;
    while (performance.now() < until && !signal.aborted) {
      if (states.includes((await asked.workers()).find((worker) => worker.id === id)?.state ?? '')) return true;
      await delay(LOOK_MS);
    }
    return false;
  };
  try {
    await delay(1_000);
    for (const { id } of ready) {
      if (signal.aborted) break;
      show(`drain: ${id}`);
      await asked.tell(id, 'drain');
      const isOut = await isIn(id, ['drained']);
      await asked.tell(id, 'undrain');
      if (isOut && (await isIn(id, ['ready']))) turned++;
    }
    await delay(1_000);
  } catch (error) {
    trouble = (error as Error).message;
  } finally {
    over.abort();
  }
  const run = await running;
  const summary = ground.summary(run);
  const verdicts = drainVerdicts(run.records, turned, ready.length, criteria);
  return {
    kind: 'ran',
    verdicts,
    figures: { turned, trouble },
    parts: [{ name: 'while workers leave and come back', summary }],
    records: run.records,
  };
}

const CANCEL = { share: 0.5, seconds: 30, leaving: 0.3 } as const;
const SETTLE_LOOK_MS = 20;
const LONGEST_SETTLE_MS = 15_000;

/** Many clients leave in the middle of their answers: what they leave must be let go. */
export async function cancel(ground: Ground): Promise<ProfileResult> {
  const { criteria, show, asked } = ground.options;
  if ((await asked.inFlight()) === null)
    return { kind: 'skipped', why: '/stats does not tell which calls the workers have: is it Headgate?' };
  show('cancel');
  const rate = ground.capacity * CANCEL.share;
  const run = await ground.open([{ from: rate, to: rate, seconds: ground.seconds(CANCEL.seconds) }], { cancelShare: CANCEL.leaving });
  const ended = performance.now();
  let settledMs: number | null = null;
  let left = 0;
  while (settledMs === null && performance.now() - ended < LONGEST_SETTLE_MS) {
    const askedAt = performance.now();
    left = (await asked.inFlight()) ?? left;
    if (left === 0) settledMs = askedAt - ended;
    else await delay(SETTLE_LOOK_MS);
  }
  const summary = ground.summary(run);
  return {
    kind: 'ran',
    verdicts: cancelVerdicts(summary, settledMs, left, criteria),
    figures: { settled_ms: settledMs },
    parts: [{ name: '50 % of capacity, 30 % leave', summary }],
    records: run.records,
  };
}

const FAIR = { share: 0.15, seconds: 30, flood: 2 } as const;

/** One client alone, and then beside another that asks for more than there is. */
export async function fair(ground: Ground): Promise<ProfileResult> {
  const { criteria, show, floodKey, target, signal } = ground.options;
  if (floodKey === null) return { kind: 'skipped', why: 'it needs the keys of two clients (--key and --flood-key)' };
  const rate = ground.capacity * FAIR.share;
  const seconds = ground.seconds(FAIR.seconds);
  show('fair: alone');
  const quiet = await ground.open([{ from: rate, to: rate, seconds }]);
  show('fair: beside a flood');
  const over = new AbortController();
  const flooder = { ...target, headers: { ...target.headers, authorization: `Bearer ${floodKey}` } };
  const flood = ground.capacity * FAIR.flood;
  const flooding = ground.open([{ from: flood, to: flood, seconds: 2 * seconds + 2 }], {
    target: flooder,
    stop: AbortSignal.any([signal, over.signal]),
  });
  await delay(2_000);
  const beside = await ground.open([{ from: rate, to: rate, seconds }]);
  over.abort();
  const others = ground.summary(await flooding);
  const [alone, besides] = [ground.summary(quiet), ground.summary(beside)];
  const parts = [
    { name: 'alone', summary: alone },
    { name: 'beside a flood', summary: besides },
    { name: 'the flood', summary: others },
  ];
  return { kind: 'ran', verdicts: fairVerdicts(alone, besides, criteria), figures: {}, parts, records: beside.records };
}

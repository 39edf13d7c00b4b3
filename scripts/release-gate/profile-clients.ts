import { setTimeout as delay } from 'node:timers/promises';
import type { Ground, ProfileResult } from './ground.ts';
import { cancelVerdicts, fairVerdicts, type Settling } from './judging/others.ts';

const CANCEL = { share: 0.5, seconds: 30, leaving: 0.3 } as const;
const SETTLE_LOOK_MS = 20;
/** Looked at for longer than is allowed, so that it can be said how long it took. */
const SETTLE = { leastMs: 15_000, times: 1.5 } as const;

/** Many clients leave in the middle of their answers: what they leave must be let go. */
export async function cancel(ground: Ground): Promise<ProfileResult> {
  const { criteria, show, asked } = ground.options;
  if ((await asked.inFlight()) === null)
    return { kind: 'skipped', why: '/stats does not tell which calls the workers have: is it Headgate?' };
  show('cancel');
  const rate = ground.capacity * CANCEL.share;
  const run = await ground.open([{ from: rate, to: rate, seconds: ground.seconds(CANCEL.seconds) }], { cancelShare: CANCEL.leaving });
  const settling = await settle(ground);
  const summary = ground.summary(run);
  return {
    kind: 'ran',
    verdicts: cancelVerdicts(summary, settling, criteria),
    figures: { settled_ms: settling.settledMs },
    parts: [{ name: '50 % of capacity, 30 % leave', summary }],
    records: run.records,
  };
}

/** Looks until no worker has a call in flight. What /stats does not tell is no zero. */
export async function settle({
  options: { asked, criteria, signal },
}: {
  readonly options: Pick<Ground['options'], 'asked' | 'criteria' | 'signal'>;
}): Promise<Settling> {
  const ended = performance.now();
  const limitMs = Math.max(SETTLE.leastMs, criteria.cancel.settled_ms * SETTLE.times);
  const settling = { settledMs: null as number | null, busyMs: 0, left: 0 };
  while (performance.now() - ended < limitMs && !signal.aborted) {
    const sinceMs = performance.now() - ended;
    const left = await asked.inFlight();
    if (left === 0) return { ...settling, settledMs: sinceMs };
    if (left !== null) Object.assign(settling, { busyMs: sinceMs, left });
    await delay(SETTLE_LOOK_MS);
  }
  return settling;
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
  return { kind: 'ran', verdicts: fairVerdicts(alone, besides, others, criteria), figures: {}, parts, records: beside.records };
}

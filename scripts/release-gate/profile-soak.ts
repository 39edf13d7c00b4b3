import { setTimeout as delay } from 'node:timers/promises';
import { type Ground, type ProfileResult, sloOf } from './ground.ts';
import { type ProcessMoment, soakVerdicts } from './judging/soak.ts';
import { SoakSums } from './judging/soak-sums.ts';
import { steadyVerdicts } from './judging/steady.ts';

const SOAK_SHARE = 0.7;
const MOST_MOMENTS = 1_000;
const LEAST_LOOK_MS = 500;
/** What is kept of calls is of one slice of the load at a time: a day of them would be more than memory holds. */
const SLICE_MS = 60_000;
const LEAST_SLICE_CALLS = 100;

/** A busy load for long, in which nothing may grow. */
export async function soak(ground: Ground): Promise<ProfileResult> {
  const { criteria, show, soakMs, asked } = ground.options;
  if ((await asked.process()) === null) return { kind: 'skipped', why: '/metrics tells nothing of its process, or asks for the admin key' };
  show('soak');
  const moments: ProcessMoment[] = [];
  const started = performance.now();
  const over = new AbortController();
  const looking = (async () => {
    const everyMs = Math.max(LEAST_LOOK_MS, soakMs / MOST_MOMENTS);
    while (!over.signal.aborted) {
      const told = await asked.process();
      if (told !== null) moments.push({ atMs: performance.now() - started, ...told });
      await delay(everyMs, undefined, { signal: over.signal }).catch(() => {});
    }
  })();
  const sums = new SoakSums(soakMs, sloOf(criteria));
  const durationMs = await inSlices(ground, sums).finally(() => over.abort());
  await looking;
  const summary = sums.summary(durationMs);
  const verdicts = [...soakVerdicts(sums, moments, criteria), ...steadyVerdicts(summary, criteria, 'over the soak')];
  return { kind: 'ran', verdicts, figures: { moments }, parts: [{ name: '70 % of capacity', summary }], records: sums.sample };
}

type Sliced = Pick<Ground, 'capacity' | 'open'> & { readonly options: Pick<Ground['options'], 'soakMs' | 'signal'> };

/** The next slice begins when the schedule of the last is over, not when its answers are. @returns how long it all took, in milliseconds */
export async function inSlices(ground: Sliced, sums: Pick<SoakSums, 'add'>, leastMs = SLICE_MS): Promise<number> {
  const { soakMs, signal } = ground.options;
  const rate = ground.capacity * SOAK_SHARE;
  const sliceMs = Math.max(leastMs, (LEAST_SLICE_CALLS / rate) * 1000);
  const started = performance.now();
  const slices: Promise<void>[] = [];
  for (let at = 0; at < soakMs && !signal.aborted; at += sliceMs) {
    const lengthMs = Math.min(sliceMs, soakMs - at);
    const offsetMs = performance.now() - started;
    const slice = ground.open([{ from: rate, to: rate, seconds: lengthMs / 1000 }]).then(({ records }) => sums.add(records, offsetMs));
    slices.push(slice);
    // What it throws is heard at the end.
    slice.catch(() => {});
    await delay(Math.max(0, started + at + lengthMs - performance.now()), undefined, { signal }).catch(() => {});
  }
  await Promise.all(slices);
  return performance.now() - started;
}

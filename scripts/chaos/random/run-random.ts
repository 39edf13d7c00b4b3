import { setTimeout as delay } from 'node:timers/promises';
import { linesSeen, submitLines } from '../calls/batch-lines.ts';
import { WAYS, type WayName } from '../faults/ways.ts';
import { isWell, leftNow, plainFiles, statsOf } from '../gateway/look.ts';
import type { CallSeen, Span } from '../law/call-seen.ts';
import { breaches } from '../law/law.ts';
import { leaks } from '../law/leaks.ts';
import { notDoubled } from '../law/proofs.ts';
import { seeded } from '../../load/workload/seeded.ts';
import { until } from '../../shows/scene.ts';
import { Stage } from '../rows/stage.ts';
import { type Schedule, scheduleOf } from './schedule.ts';
import { begin, HASTY_LIMIT_MS, HASTY_SETTINGS } from './trouble.ts';

/** What came of one schedule. */
export interface ScheduleResult {
  readonly schedule: Schedule;
  /** The seed of the first schedule that the same gateway has served: what broke something may have begun before. */
  readonly firstSeed: number;
  readonly calls: number;
  readonly lines: number;
  /** How many requests, connections and processes its troubles have met. */
  readonly struck: number;
  /** Calls by how they ended. */
  readonly endings: Readonly<Record<string, number>>;
  /** What has been broken, in words. */
  readonly notes: readonly string[];
}

/** What came of all. */
export interface RandomResult {
  readonly schedules: readonly ScheduleResult[];
  /** Why schedules could not be played. */
  readonly failures: readonly string[];
}

interface Running {
  readonly seed: number;
  readonly count: number;
  readonly atOnce: number;
  readonly signal: AbortSignal;
  readonly onEnd?: (result: ScheduleResult) => void;
}

/** Those that take longer than a schedule has. */
const SLOW_WAYS: readonly string[] = ['drip', 'oversized-line'];
const RANDOM_WAYS = (Object.keys(WAYS) as WayName[]).filter((name) => !SLOW_WAYS.includes(name));
/** A gateway serves so many, then comes a new one. */
const PER_GATEWAY = 100;
/** So often in a row a gateway is started in vain before its schedules are given up. */
const MOST_FAILURES = 3;
const WELL_MS = 20_000;
const LINES_MS = 30_000;
const LOG_MS = 5_000;
const SOUND_TRIES = 3;
const STATUSES = [429, 502, 503, 504];

/** Plays the schedules of seeds from `seed` on, some at a time, and goes on after one that broke something. Never rejects. */
export async function runRandom({ seed, count, atOnce, signal, onEnd }: Running): Promise<RandomResult> {
  const schedules: ScheduleResult[] = [];
  const failures: string[] = [];
  // A gateway serves seeds that follow each other, so that they can be played again in the same order.
  const size = Math.min(PER_GATEWAY, Math.ceil(count / atOnce));
  const stretches = Array.from({ length: Math.ceil(count / size) }, (_, at) => ({
    next: seed + at * size,
    end: seed + Math.min(count, (at + 1) * size),
    failed: 0,
  }));
  const lane = async (): Promise<void> => {
    for (let stretch = stretches.shift(); stretch !== undefined; stretch = stretches.shift()) {
      while (stretch.next < stretch.end && stretch.failed < MOST_FAILURES && !signal.aborted) {
        try {
          await playStretch(stretch, signal, (result) => {
            schedules.push(result);
            onEnd?.(result);
          });
          stretch.failed = 0;
        } catch (error) {
          stretch.failed++;
          failures.push(`from seed ${stretch.next} on: ${(error as Error).message}`);
        }
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, lane));
  return { schedules: schedules.toSorted((x, y) => x.schedule.seed - y.schedule.seed), failures };
}

/** Plays on one gateway until the end of the stretch, or until something is broken: what is left of that would be found at the next. */
async function playStretch(
  stretch: { next: number; readonly end: number },
  signal: AbortSignal,
  onEnd: (result: ScheduleResult) => void,
): Promise<void> {
  const firstSeed = stretch.next;
  await using stage = await Stage.open({ settings: HASTY_SETTINGS }, seeded(firstSeed));
  await well(stage, `u${firstSeed}`);
  // Once: of what each schedule leaves a little would never be much.
  const restFiles = plainFiles(stage.gateway);
  while (stretch.next < stretch.end && !signal.aborted) {
    const result = await runSchedule(scheduleOf(stretch.next++, RANDOM_WAYS), stage, firstSeed, restFiles);
    onEnd(result);
    if (result.notes.length > 0) return;
  }
}

/** A call when all is well again. One whose time was over may have met a machine that stood still for longer than a call may take here. */
async function askSoundly(stage: Stage, seed: number): Promise<CallSeen> {
  let seen: CallSeen;
  let tries = 0;
  do seen = await stage.askAlone(`s${seed}-${tries++}`, { limitMs: HASTY_LIMIT_MS });
  while (seen.status === 504 && tries < SOUND_TRIES);
  return seen;
}

async function runSchedule(schedule: Schedule, stage: Stage, firstSeed: number, restFiles: number): Promise<ScheduleResult> {
  const notes: string[] = [];
  const { seed } = schedule;
  const from = stage.calls.length;
  // What the line has met is counted by its hits, whatever it carried.
  const struckSoFar = (): number => stage.strikes - stage.line.strikes.length + stage.line.hits;
  const before = struckSoFar();
  let lines = 0;
  let spoilt: readonly Span[] = [];
  // All that is left to chance is left to the chance of this seed, whatever was played before.
  stage.reseed(seeded(seed));
  try {
    await well(stage, `v${seed}`);
    const options = { everyMs: schedule.everyMs, chance: seeded(seed), limitMs: HASTY_LIMIT_MS * 2 };
    const traffic = stage.begin(`r${seed}`, options);
    const batch = schedule.lines === 0 ? null : await submitLines(stage.gateway.url, schedule.lines, `l${seed}`);
    traffic.start();
    spoilt = await playTroubles(schedule, stage);
    await traffic.end();
    if (traffic.dropped > 0) notes.push(`${traffic.dropped} calls were never sent: too many were under way`);
    if (batch !== null) {
      const seen = await linesSeen(stage.gateway.url, batch, LINES_MS, spoilt.length === 0);
      lines = seen.lines;
      notes.push(...seen.faults);
    }
    await well(stage, `w${seed}`);
    const sound = await askSoundly(stage, seed);
    if (sound.ending !== 'ok') notes.push(`after all that a call was ${sound.ending} (${sound.status} ${sound.code})`);
    notes.push(...(await leaksAtLast(stage, { restFiles, openAtWorkers: () => stage.openAtWorkers() })));
    // The log is written in pieces.
    const hasAll = (): boolean => stage.calls.slice(from).every(({ id, ending }) => ending === 'left' || stage.gateway.ended.has(id));
    await until(hasAll, 'the end of each call in the log', LOG_MS).catch(() => {});
  } catch (error) {
    notes.push((error as Error).message);
  }
  const calls = stage.calls.slice(from);
  const terms = { limitMs: HASTY_LIMIT_MS, statuses: STATUSES, killed: [], refusing: [], spoilt };
  // Two workers that die with a call are two witnesses against it, though here it was chance; what dies early has not noted its mark.
  const isAccused = ({ id, status }: CallSeen): boolean => status === 422 && (stage.log.attempts.get(id) ?? 0) > 1;
  notes.push(
    ...calls.flatMap((call) => breaches([call], stage.gateway.ended, isAccused(call) ? { ...terms, statuses: [422] } : terms)),
    ...notDoubled(calls, [stage.a.asked, stage.b.asked]),
    ...stage.log.internalErrors.splice(0),
  );
  const struck = struckSoFar() - before;
  return { schedule, firstSeed, calls: calls.length, lines, struck, endings: endingsOf(calls), notes };
}

/** Each trouble from its moment on, as long as it has; all are over in the end, whatever overlapped. @returns when words were spoilt */
async function playTroubles({ troubles, lengthMs }: Schedule, stage: Stage): Promise<readonly Span[]> {
  const spoilt: Span[] = [];
  const each = troubles.map(async ({ atMs, forMs, trouble }) => {
    await delay(atMs);
    const fromMs = performance.now();
    const end = await begin(trouble, stage);
    await delay(forMs);
    await end();
    if (trouble.kind === 'line' && trouble.fault === 'corrupt') spoilt.push([fromMs, performance.now()]);
  });
  const ended = await Promise.allSettled([...each, delay(lengthMs)]);
  for (const worker of stage.workers) {
    worker.heal();
    if (!worker.isListening) await worker.revive();
  }
  stage.line.heal();
  stage.odd.end();
  await stage.reload(stage.settings());
  const failed = ended.find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
  return spoilt;
}

/** Calls go on meanwhile: only they close a breaker. They are held to the law as all others are. */
function well(stage: Stage, name: string): Promise<void> {
  let at = 0;
  return until(
    async () => {
      const stats = await statsOf(stage.gateway);
      if (stats !== null && isWell(stats)) return true;
      await stage.askAlone(`${name}-${at++}`, { limitMs: HASTY_LIMIT_MS });
      return false;
    },
    'workers ready and breakers closed',
    WELL_MS,
  );
}

async function leaksAtLast(stage: Stage, known: Parameters<typeof leftNow>[1]): Promise<string[]> {
  let found: string[] = ['nobody answers GET /stats and /metrics'];
  const isClear = async (): Promise<boolean> => {
    const left = await leftNow(stage.gateway, known);
    if (left !== null) found = leaks(left);
    return found.length === 0;
  };
  await until(isClear, 'nothing is left', WELL_MS).catch(() => {});
  return found;
}

function endingsOf(calls: readonly CallSeen[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { ending } of calls) counts[ending] = (counts[ending] ?? 0) + 1;
  return counts;
}

import { setTimeout as delay } from 'node:timers/promises';
import { linesSeen, submitLines } from '../calls/batch-lines.ts';
import { WAYS, type WayName } from '../faults/ways.ts';
import { isWell, leftNow, plainFiles, statsOf } from '../gateway/look.ts';
import type { CallSeen } from '../law/call-seen.ts';
import { breaches } from '../law/law.ts';
import { leaks } from '../law/leaks.ts';
import { seeded } from '../../load/workload/seeded.ts';
import { until } from '../../shows/scene.ts';
import { Stage } from '../rows/stage.ts';
import { type Schedule, scheduleOf } from './schedule.ts';
import { begin, HASTY_LIMIT_MS, HASTY_SETTINGS } from './trouble.ts';

/** What came of one schedule. */
export interface ScheduleResult {
  readonly schedule: Schedule;
  readonly calls: number;
  readonly lines: number;
  /** Calls by how they ended. */
  readonly endings: Readonly<Record<string, number>>;
  /** What has been broken, in words. */
  readonly notes: readonly string[];
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
const WELL_MS = 20_000;
const LINES_MS = 30_000;
const LOG_MS = 5_000;
const STATUSES = [429, 502, 503, 504];

/** Plays the schedules of seeds from `seed` on, some at a time, and goes on after one that broke something. */
export async function runRandom({ seed, count, atOnce, signal, onEnd }: Running): Promise<ScheduleResult[]> {
  const results: ScheduleResult[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count && !signal.aborted) {
      await using stage = await Stage.open({ settings: HASTY_SETTINGS }, seeded(seed));
      for (let played = 0; played < PER_GATEWAY && next < count && !signal.aborted; played++) {
        const result = await runSchedule(scheduleOf(seed + next++, RANDOM_WAYS), stage);
        results.push(result);
        onEnd?.(result);
        // What is left of it would be found at the next.
        if (result.notes.length > 0) break;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, lane));
  return results.toSorted((x, y) => x.schedule.seed - y.schedule.seed);
}

async function runSchedule(schedule: Schedule, stage: Stage): Promise<ScheduleResult> {
  const notes: string[] = [];
  const from = stage.calls.length;
  let lines = 0;
  try {
    await well(stage, `v${schedule.seed}`);
    const known = { restFiles: plainFiles(stage.gateway), openAtWorkers: () => stage.a.openRequests + stage.b.openRequests };
    const options = { everyMs: schedule.everyMs, chance: seeded(schedule.seed), limitMs: HASTY_LIMIT_MS * 2 };
    const traffic = stage.begin(`r${schedule.seed}`, options);
    const batch = schedule.lines === 0 ? null : await submitLines(stage.gateway.url, schedule.lines, `l${schedule.seed}`);
    traffic.start();
    await playTroubles(schedule, stage);
    await traffic.end();
    if (batch !== null) {
      const seen = await linesSeen(stage.gateway.url, batch, LINES_MS);
      lines = seen.lines;
      notes.push(...seen.faults);
    }
    await well(stage, `w${schedule.seed}`);
    const sound = await stage.askAlone(`s${schedule.seed}-0`, { limitMs: HASTY_LIMIT_MS });
    if (sound.ending !== 'ok') notes.push(`after all that a call was ${sound.ending} (${sound.status} ${sound.code})`);
    notes.push(...(await leaksAtLast(stage, known)));
    // The log is written in pieces.
    const hasAll = (): boolean => stage.calls.slice(from).every(({ id, ending }) => ending === 'left' || stage.gateway.ended.has(id));
    await until(hasAll, 'the end of each call in the log', LOG_MS).catch(() => {});
  } catch (error) {
    notes.push((error as Error).message);
  }
  const calls = stage.calls.slice(from);
  const isSpoilt = schedule.troubles.some(({ trouble }) => trouble.kind === 'line' && trouble.fault === 'corrupt');
  const terms = { limitMs: HASTY_LIMIT_MS, statuses: STATUSES, isKilled: false, mayRefuse: false, isSpoilt };
  notes.push(...breaches(calls, stage.gateway.ended, terms), ...stage.internalErrors.splice(0));
  return { schedule, calls: calls.length, lines, endings: endingsOf(calls), notes };
}

/** Each trouble from its moment on, as long as it has; all of them are over in the end, whatever overlapped. */
async function playTroubles({ troubles, lengthMs }: Schedule, stage: Stage): Promise<void> {
  const each = troubles.map(async ({ atMs, forMs, trouble }) => {
    await delay(atMs);
    const end = await begin(trouble, stage);
    await delay(forMs);
    await end();
  });
  const ended = await Promise.allSettled([...each, delay(lengthMs)]);
  for (const worker of stage.workers) worker.heal();
  stage.line.heal();
  stage.odd.end();
  await stage.reload(stage.settings());
  const failed = ended.find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
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

import type { Log } from '../core/log/log.ts';
import type { Listener } from '../core/fan-out.ts';
import type { ReloadAnswer } from '../config/reload.ts';
import type { TrialOrder } from '../config/trial.ts';
import type { AdminRuntime, AdminStatus, Stats } from '../http/pages/admin-answers.ts';
import { type MetricPage, mergedPage } from '../telemetry/metrics/merged.ts';
import type { Ledger } from '../telemetry/metrics/sources.ts';
import type { UsageRow } from '../state/store/words.ts';
import { mergedStats } from '../telemetry/merged-stats.ts';
import { mergedMoment, mergedPast, type Moment, type Past } from '../console/observer.ts';
import type { Kin } from './kin.ts';
import type { PartOf } from './words.ts';

// What one of several processes answers for all of them.

/** What the pages of one process are made of, when they are to show all. */
export function pageOfAll(kin: Kin, ownStats: () => Stats, ownRuntime: () => AdminRuntime) {
  return {
    async registry() {
      const { parts, gone } = await kin.parts('metrics');
      const pages = partsIn<MetricPage>(parts).map(({ part }) => part);
      return mergedPage(gone === null ? pages : [...pages, gone as MetricPage]);
    },
    async stats(): Promise<Stats> {
      const [first = ownStats(), ...others] = partsIn<Stats>((await kin.parts('stats')).parts).map(({ part }) => part);
      return mergedStats([first, ...others]);
    },
    async runtime(): Promise<AdminRuntime> {
      return { ...ownRuntime(), processes: partsIn<AdminRuntime>((await kin.parts('runtime')).parts).map(({ part }) => part) };
    },
    /** What none of them could write down. */
    async unwritten(): Promise<UsageRow[]> {
      return partsIn<readonly UsageRow[]>((await kin.parts('usage')).parts).flatMap(({ part }) => part);
    },
    async logTails(): Promise<Record<string, readonly string[]>> {
      const parts = partsIn<readonly string[]>((await kin.parts('tail')).parts);
      return Object.fromEntries(parts.map(({ pid, part }) => [`gateway process ${pid}`, part]));
    },
  };
}

/** What all of them show in the console. */
export function seenByAll(kin: Kin, ownMoment: () => Moment) {
  return {
    async moment(): Promise<Moment> {
      const [first = ownMoment(), ...others] = partsIn<Moment>((await kin.parts('moment')).parts).map(({ part }) => part);
      return mergedMoment([first, ...others]);
    },
    past: async (): Promise<Past> => mergedPast(partsIn<Past>((await kin.parts('past')).parts).map(({ part }) => part)),
  };
}

/** The status that any of them has, with the calls of all. */
export async function statusOfAll(kin: Kin, own: AdminStatus): Promise<AdminStatus> {
  const parts = partsIn<Stats>((await kin.parts('stats')).parts);
  const callsAt = (worker: string): number =>
    parts.reduce((sum, { part }) => sum + (part.workers.find(({ id }) => id === worker)?.in_flight ?? 0), 0);
  return {
    ...own,
    gateway: { ...own.gateway, pid: kin.pid, processes: parts.map(({ pid }) => pid).toSorted((a, b) => a - b) },
    workers: own.workers.map((worker) => ({ ...worker, in_flight: callsAt(worker.id) })),
  };
}

/** `trial`: settings that are tried, instead of those of the files. */
export async function reloadOfAll(kin: Kin, trial?: TrialOrder): Promise<ReloadAnswer> {
  const nobody: ReloadAnswer = {
    ok: false,
    changed: [],
    needsRestart: [],
    problems: ['The process that keeps the others does not answer.'],
  };
  return ((await kin.reload(trial)) as ReloadAnswer | null) ?? nobody;
}

/** What a process books otherwise than one that is alone. */
export function booksOf(kin: Kin | undefined, ledger: Ledger): Listener {
  if (!kin) return {};
  return {
    draining(stage, inFlight, durationMs) {
      if (stage === 'end') ledger.shutdownMs = durationMs;
      kin.tell({ kind: 'drain', stage, inFlight, durationMs });
    },
  };
}

/** A log that is silent while another process tells the same. */
export function spokenLog(log: Log, speaks: () => boolean): Pick<Log, 'info' | 'warn' | 'error'> {
  return {
    info: (...line) => speaks() && log.info(...line),
    warn: (...line) => speaks() && log.warn(...line),
    error: (...line) => speaks() && log.error(...line),
  };
}

function partsIn<T>(parts: readonly PartOf[]): { readonly pid: number; readonly part: T }[] {
  return parts.flatMap(({ pid, part }) => (part === null ? [] : [{ pid, part: part as T }]));
}

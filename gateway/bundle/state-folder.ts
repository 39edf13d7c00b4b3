import { type Historian, type HistoryEntry, readEntry, textOf } from '../core/history/entry.ts';
import { engineLogs, type EngineLog } from '../core/history/engine-logs.ts';
import { fileEnds } from '../core/history/file-ends.ts';
import { historyPath } from '../core/history/history-file.ts';
import { failuresIn, mergedHistory } from '../core/history/read-history.ts';
import type { WorkerFailure } from '../core/worker.ts';
import { FAILURE } from './common-rules.ts';
import { EngineLineReader } from './engine-lines.ts';
import { isKnownEvent, shownLine } from './log-lines.ts';
import type { Pace } from './pace.ts';
import { allowed } from './veil/rule.ts';
import type { Veil } from './veil/veil.ts';

// What is on record in the state folder, whether or not anything runs.

const HISTORY_BYTES = 384 * 1024;
const MOST_ENTRIES = 400;
const LOG_HEAD_BYTES = 24 * 1024;
const LOG_TAIL_BYTES = 48 * 1024;
/** The latest news first; of more workers the rest is alike. */
const MOST_LOGS = 12;

export interface Past {
  /** By time, but each historian's in its own order. */
  readonly entries: readonly HistoryEntry[];
  /** Lines that are none. */
  readonly broken: number;
  readonly unread: number;
}

/** The last entries of both historians. */
export async function readPast(stateDir: string, pace: Pace): Promise<Past> {
  const taken: Readonly<Record<Historian, HistoryEntry[]>> = { supervisor: [], gateway: [] };
  let broken = 0;
  let unread = 0;
  for (const by of ['supervisor', 'gateway'] as const) {
    const path = historyPath(stateDir, by);
    for (const each of [`${path}.1`, path]) {
      const found = await fileEnds(each, 0, HISTORY_BYTES);
      unread += found?.between ?? 0;
      for (const line of found?.tail ?? []) {
        const entry = readEntry(line);
        if (entry) taken[by].push(entry);
        else if (line.trim() !== '') broken += 1;
        await pace.rest();
      }
    }
  }
  return { entries: mergedHistory(taken.supervisor, taken.gateway), broken, unread };
}

/** What of it may go out. */
export async function historyPart({ entries, broken, unread }: Past, veil: Veil, pace: Pace) {
  const shown: Record<string, unknown>[] = [];
  let unknown = 0;
  const last = entries.slice(-MOST_ENTRIES);
  for (const entry of last) {
    const line = shownLine(entry, veil);
    if (line) shown.push(line);
    else unknown += 1;
    await pace.rest();
  }
  const older = entries.length - last.length;
  return {
    older_entries_left_out: older,
    older_bytes_unread: unread,
    broken_lines: broken,
    unknown_entries_left_out: unknown,
    entries: shown.toReversed(),
  };
}

/** The last failure of each worker that is on record. */
export function failuresPart({ entries }: Past, veil: Veil): { worker: unknown; failure: unknown }[] {
  return [...failuresIn(entries)].map(([worker, failure]: [string, WorkerFailure]) => ({
    worker: allowed(worker, 'worker', veil),
    failure: allowed(failure, FAILURE, veil),
  }));
}

/** How often what has happened, of warnings and errors in the last day before `now`. null: nothing was read. What is none of ours is not named. */
export function troublesIn(past: Past | null, now: number, veil: Veil): Map<string, number> {
  const counts = new Map<string, number>();
  for (const entry of past?.entries ?? []) {
    if (!isKnownEvent(entry.event)) continue;
    if ((entry.level !== 'warn' && entry.level !== 'error') || now - Date.parse(entry.at) > 86_400_000) continue;
    const failure = entry.event === 'worker.failure' ? textOf(entry, 'class') : null;
    const name = failure === null || failure === '' ? entry.event : `${entry.event} ${String(allowed(failure, 'word', veil))}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

/** The end of what each engine prints, and all of what can be had of the last start that failed. */
export async function engineLogsPart(stateDir: string, veil: Veil, pace: Pace) {
  const all = engineLogs(stateDir);
  const failed = all.find(({ kind }) => kind === 'failed') ?? null;
  const current = all.filter(({ kind }) => kind === 'current');
  const shown: unknown[] = [];
  for (const log of current.slice(0, MOST_LOGS)) shown.push(await logPart(log, 0, LOG_TAIL_BYTES, veil, pace));
  return {
    last_failed: failed && (await logPart(failed, LOG_HEAD_BYTES, 2 * LOG_TAIL_BYTES, veil, pace)),
    workers: shown,
    left_out: Math.max(0, current.length - MOST_LOGS),
  };
}

async function logPart(log: EngineLog, headBytes: number, tailBytes: number, veil: Veil, pace: Pace) {
  const found = await fileEnds(log.path, headBytes, tailBytes);
  if (!found) return { worker: allowed(log.worker, 'worker', veil), unreadable: true };
  const [head, tail] = [await shownLines(found.head, veil, pace), await shownLines(found.tail, veil, pace)];
  return {
    worker: allowed(log.worker, 'worker', veil),
    last_written: new Date(log.atMs).toISOString(),
    bytes: found.size,
    bytes_cut: found.between,
    lines_left_out: head.leftOut + tail.leftOut,
    ...(head.lines.length > 0 ? { head: head.lines } : {}),
    tail: tail.lines,
  };
}

async function shownLines(lines: readonly string[], veil: Veil, pace: Pace) {
  const reader = new EngineLineReader(veil);
  for (const line of lines) {
    reader.read(line);
    await pace.rest();
  }
  return reader.end();
}

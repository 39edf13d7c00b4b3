import { readFileSync } from 'node:fs';
import type { WorkerFailure } from '../worker.ts';
import { type Historian, type HistoryEntry, readEntry, textOf } from './entry.ts';
import { historyPath } from './history-file.ts';

/** Everything that is on record in a state folder, oldest first. What cannot be read is left out. */
export function readHistory(stateDir: string): HistoryEntry[] {
  return mergedHistory(entriesOf(stateDir, 'supervisor'), entriesOf(stateDir, 'gateway'));
}

/** What one of the two has taken down, in the order of its writing. */
export function entriesOf(stateDir: string, by: Historian): HistoryEntry[] {
  const path = historyPath(stateDir, by);
  return [`${path}.1`, path].flatMap(linesOf).flatMap((line) => readEntry(line) ?? []);
}

/** The last failure of each worker that is on record. */
export function failuresIn(entries: readonly HistoryEntry[]): Map<string, WorkerFailure> {
  const failures = new Map<string, WorkerFailure>();
  for (const entry of entries) {
    const worker = entry.event === 'worker.failure' ? textOf(entry, 'worker') : null;
    const [name, phase, advice] = ['class', 'phase', 'advice'].map((field) => textOf(entry, field));
    if (worker === null || !name) continue;
    const message = textOf(entry, 'message') ?? entry.msg;
    failures.set(worker, { class: name, phase: phase ?? 'unknown', message, advice: advice ?? '', at: entry.at });
  }
  return failures;
}

/** By time, but each in its own order: a clock that was set back must not turn a story around. */
export function mergedHistory(a: readonly HistoryEntry[], b: readonly HistoryEntry[]): HistoryEntry[] {
  const all: HistoryEntry[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const [first, second] = [a[i], b[j]];
    if (first && (!second || first.at <= second.at)) {
      all.push(first);
      i += 1;
    } else if (second) {
      all.push(second);
      j += 1;
    }
  }
  return all;
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    return [];
  }
}

import { stat } from 'node:fs/promises';
import { type Historian, type HistoryEntry, readEntry, textOf } from '../core/history/entry.ts';
import { fileEnds } from '../core/history/file-ends.ts';
import { historyPath } from '../core/history/history-file.ts';
import { mergedHistory } from '../core/history/read-history.ts';
import { sentence } from '../core/history/sentence.ts';
import { plainText } from '../core/secrets/plain-text.ts';

/** Something that has happened, as `headgate events` tells it. */
export interface Happening {
  /** ISO time. */
  readonly at: string;
  readonly by: Historian;
  readonly level: string;
  /** A short dotted name. */
  readonly event: string;
  readonly text: string;
  readonly advice: string | null;
}

const MOST_SHOWN = 50;
/** Of each file, from its end: some hundred entries. */
const TAIL_BYTES = 64 * 1024;
const MOST_CHARS = 600;
const HISTORIANS = ['supervisor', 'gateway'] as const;

/**
 * The last that is on record in a state folder, of gateway and supervisor and over their restarts: read anew only when a file has changed.
 * Nothing where nothing is taken down, or it cannot be read.
 */
export class Happenings {
  readonly #stateDir: string | null;
  #mark = '';
  #last: readonly Happening[] = [];

  /** @param stateDir null: nothing is taken down */
  constructor(stateDir: string | null) {
    this.#stateDir = stateDir;
  }

  /** Oldest first, 50 at most. The same array as before where nothing has come since. */
  async last(): Promise<readonly Happening[]> {
    const dir = this.#stateDir;
    if (dir === null) return this.#last;
    const places = HISTORIANS.map((by) => [`${historyPath(dir, by)}.1`, historyPath(dir, by)]);
    const mark = (await Promise.all(places.flat().map(markOf))).join();
    if (mark !== this.#mark) {
      const [ofSupervisor = [], ofGateway = []] = await Promise.all(places.map(tailOf));
      this.#last = mergedHistory(ofSupervisor, ofGateway).slice(-MOST_SHOWN).map(shown);
      this.#mark = mark;
    }
    return this.#last;
  }
}

function shown(entry: HistoryEntry): Happening {
  const advice = textOf(entry, 'advice');
  return {
    at: entry.at,
    by: entry.by,
    level: entry.level,
    event: entry.event,
    text: plainText(sentence(entry)).slice(0, MOST_CHARS),
    advice: advice === null || advice === '' ? null : plainText(advice).slice(0, MOST_CHARS),
  };
}

async function markOf(path: string): Promise<string> {
  const found = await stat(path).catch(() => null);
  return found === null ? '' : `${found.ino} ${found.size} ${found.mtimeMs}`;
}

async function tailOf(paths: readonly string[]): Promise<HistoryEntry[]> {
  const ends = await Promise.all(paths.map((path) => fileEnds(path, 0, TAIL_BYTES)));
  return ends.flatMap((found) => found?.tail ?? []).flatMap((line) => readEntry(line) ?? []);
}

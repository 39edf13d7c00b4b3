import { closeSync, fstatSync, readSync } from 'node:fs';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { LineReader } from './line-reader.ts';
import { openFile } from './open-file.ts';

const PIECE_BYTES = 64 * 1024;
/** No terminal wants more of the past at once. */
const MOST_BYTES = 8 * 1024 * 1024;
const LOOK_MS = 250;

/** Where the last `lines` lines of a file begin, in bytes, or as many of them as are no more than 8 MiB. @throws Error with the system's code */
export function beginOfLast(path: string, lines: number): number {
  const file = openFile(path);
  try {
    return beginIn(file, fstatSync(file).size, lines);
  } finally {
    closeSync(file);
  }
}

/** The last `lines` lines of a file, and where it ended. @throws Error with the system's code */
export function lastLines(path: string, lines: number): { readonly text: string; readonly end: number } {
  const file = openFile(path);
  try {
    const { size } = fstatSync(file);
    const from = lines === 0 ? size : beginIn(file, size, lines);
    const all = Buffer.alloc(size - from);
    const read = readSync(file, all, 0, all.length, from);
    return { text: all.toString('utf8', 0, read), end: from + read };
  } finally {
    closeSync(file);
  }
}

function beginIn(file: number, size: number, lines: number): number {
  const piece = Buffer.alloc(PIECE_BYTES);
  for (let from = size, breaks = 0; from > 0;) {
    const length = Math.min(PIECE_BYTES, from);
    from -= length;
    const read = readSync(file, piece, 0, length, from);
    // The last line may have a break of its own.
    if (from + read === size && piece[read - 1] === 10) breaks = -1;
    for (let at = read - 1; at >= 0; at--) if (piece[at] === 10 && ++breaks >= lines) return from + at + 1;
    if (size - from >= MOST_BYTES) return from;
  }
  return 0;
}

/** Goes on with the lines that come to a file from `end` on, also when it begins anew or gives way to another. Never resolves but by `signal`. */
export async function follow(path: string, end: number, write: (text: string) => void, signal?: AbortSignal): Promise<void> {
  // Between two starts there may be none.
  const reader = new LineReader(path, end, () => {});
  try {
    while (!signal?.aborted) {
      const lines = reader.read() ?? (reader.goOn() ? lastOf(reader) : null);
      write((lines ?? []).map((line) => `${line}\n`).join(''));
      await (lines === null ? delay(LOOK_MS) : turn());
    }
  } finally {
    reader.close();
  }
}

/** What the one before ended with. */
function lastOf(reader: LineReader): string[] {
  const rest = reader.rest();
  return rest === null ? [] : [rest];
}

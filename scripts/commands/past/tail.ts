import { closeSync, fstatSync, readSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { setTimeout as delay } from 'node:timers/promises';
import { openFile, statOf } from './open-file.ts';

const PIECE_BYTES = 64 * 1024;
/** No terminal wants more of the past at once. */
const MOST_BYTES = 8 * 1024 * 1024;
const LOOK_MS = 250;

/** Where the last `lines` lines of a file begin, in bytes, or as many of them as are no more than 8 MiB. @throws Error with the system's code */
export function beginOfLast(path: string, lines: number): number {
  const file = openFile(path);
  try {
    const { size } = fstatSync(file);
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
  } finally {
    closeSync(file);
  }
}

/** The last `lines` lines of a file, and where it ended. @throws Error with the system's code */
export function lastLines(path: string, lines: number): { readonly text: string; readonly end: number } {
  const file = openFile(path);
  try {
    const { size } = fstatSync(file);
    const pieces: Buffer[] = [];
    let from = size;
    // One break more than lines: the last line has its own.
    for (let breaks = 0; from > 0 && breaks <= lines && size - from < MOST_BYTES;) {
      const piece = Buffer.alloc(Math.min(PIECE_BYTES, from));
      from -= piece.length;
      readSync(file, piece, 0, piece.length, from);
      pieces.unshift(piece);
      breaks += piece.reduce((count, byte) => count + Number(byte === 10), 0);
    }
    const all = Buffer.concat(pieces).toString('utf8').split('\n');
    const isWhole = all.at(-1) === '';
    const shown = all.slice(-(lines + Number(isWhole)));
    return { text: lines === 0 ? '' : shown.join('\n'), end: size };
  } finally {
    closeSync(file);
  }
}

/** Goes on with what comes to a file from `end` on, also when it begins anew. Never resolves but by `signal`. */
export async function follow(path: string, end: number, write: (text: string) => void, signal?: AbortSignal): Promise<void> {
  let offset = end;
  let inode = inodeOf(path);
  // A letter of several bytes may come in two pieces.
  const letters = new StringDecoder('utf8');
  while (!signal?.aborted) {
    await delay(LOOK_MS);
    try {
      const now = inodeOf(path);
      if (now !== inode) offset = 0;
      inode = now;
      offset = readOn(path, offset, (bytes) => write(letters.write(bytes)));
    } catch {
      // Between two starts there may be none.
    }
  }
}

function readOn(path: string, offset: number, write: (bytes: Buffer) => void): number {
  const file = openFile(path);
  try {
    const { size } = fstatSync(file);
    let from = size < offset ? 0 : offset;
    const piece = Buffer.alloc(PIECE_BYTES);
    for (let read = readSync(file, piece, 0, piece.length, from); read > 0; read = readSync(file, piece, 0, piece.length, from)) {
      write(piece.subarray(0, read));
      from += read;
    }
    return from;
  } finally {
    closeSync(file);
  }
}

function inodeOf(path: string): number {
  return statOf(path)?.ino ?? 0;
}

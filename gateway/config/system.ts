import { closeSync, openSync, readSync, statSync } from 'node:fs';
import type { LoadInput } from './load.ts';

/** The process's own environment, folder and files, for `loadSettings`. */
export function systemInput(): Pick<LoadInput, 'env' | 'cwd' | 'readFile'> {
  return { env: { ...process.env }, cwd: process.cwd(), readFile: readUpTo };
}

/** The first `maxBytes` of a file, so that a device or a huge file cannot fill the memory; null when there is none. */
export function readUpTo(path: string, maxBytes: number, only?: 'regular'): Uint8Array | null {
  if (only === 'regular' && statSync(path, { throwIfNoEntry: false })?.isFile() === false)
    throw new Error('it is not a file, but a folder, a pipe or a device');
  const descriptor = openOrNull(path);
  if (descriptor === null) return null;
  try {
    const buffer = Buffer.alloc(maxBytes);
    let length = 0;
    while (length < maxBytes) {
      const read = readSync(descriptor, buffer, length, maxBytes - length, null);
      if (read === 0) break;
      length += read;
    }
    return buffer.subarray(0, length);
  } finally {
    closeSync(descriptor);
  }
}

function openOrNull(path: string): number | null {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

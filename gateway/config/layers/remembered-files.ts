import type { ReadFile } from './settings-file.ts';

/** Files as they are, and as they were when they were read last. */
export interface RememberedFiles {
  readonly read: ReadFile;
  /** What was never read is read now. */
  readonly remembered: ReadFile;
}

/** Settings that are tried are laid over those that hold, and not over an edit that somebody is half through. */
export function rememberFiles(readFile: ReadFile): RememberedFiles {
  const known = new Map<string, Uint8Array | null>();
  const read: ReadFile = (path, maxBytes, only) => {
    const bytes = readFile(path, maxBytes, only);
    known.set(path, bytes);
    return bytes;
  };
  return { read, remembered: (path, maxBytes, only) => (known.has(path) ? known.get(path)! : read(path, maxBytes, only)) };
}

import type { ReadFile } from './settings-file.ts';

/** Files as they are, and as they were when settings were last taken from them. */
export interface RememberedFiles {
  /** Begins to read them anew. */
  readonly afresh: () => ReadFile;
  /** What the last reading has read is what holds. One that is not kept is forgotten: somebody may have been half through an edit. */
  readonly keep: () => void;
  /** What was never read is read now. */
  readonly remembered: ReadFile;
}

/** Settings that are tried are laid over those that hold, and not over an edit that somebody is half through. */
export function rememberFiles(readFile: ReadFile): RememberedFiles {
  const known = new Map<string, Uint8Array | null>();
  let last = new Map<string, Uint8Array | null>();
  const into =
    (files: Map<string, Uint8Array | null>): ReadFile =>
    (path, maxBytes, only) => {
      const bytes = readFile(path, maxBytes, only);
      files.set(path, bytes);
      return bytes;
    };
  const readNow = into(known);
  return {
    afresh: () => into((last = new Map())),
    keep: () => last.forEach((bytes, path) => known.set(path, bytes)),
    remembered: (path, maxBytes, only) => (known.has(path) ? known.get(path)! : readNow(path, maxBytes, only)),
  };
}

import { closeSync, constants, fstatSync, openSync, readdirSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';

/** A file, opened to be read. A pipe by that name would be waited for without end. @throws Error with the system's words, or where it is no file */
export function openFile(path: string): number {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw new Error('it is no file');
}

/** What the system knows of a file; null where it is not there, or may not be looked at: whoever reads it says why. */
export function statOf(path: string): Stats | null {
  try {
    return statSync(path, { throwIfNoEntry: false }) ?? null;
  } catch {
    return null;
  }
}

/** Why nothing can be told of a state folder; null where it can, or where there is none. `files`: what is wanted of it. */
export function whyClosed(stateDir: string, files: readonly string[] = []): string | null {
  for (const folder of [stateDir, join(stateDir, 'logs')]) {
    const why = failureOf(() => void readdirSync(folder));
    if (why !== null) return closedText(folder, why);
  }
  for (const file of files) {
    const why = failureOf(() => closeSync(openFile(file)));
    if (why !== null) return closedText(file, why);
  }
  return null;
}

function failureOf(read: () => void): Error | null {
  try {
    read();
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? null : (error as Error);
  }
}

function closedText(path: string, why: NodeJS.ErrnoException): string {
  return why.code === 'EACCES' || why.code === 'EPERM'
    ? `${path} may not be read by this user; ask as the one whom Headgate runs as, or as root.`
    : `${path} cannot be read: ${why.message}.`;
}

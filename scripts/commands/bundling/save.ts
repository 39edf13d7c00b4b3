import { open, rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';

/** A file of its own, which only this user may read, and never over another. @returns what is wrong, in words; null: it is there, whole */
export async function save(path: string, text: string): Promise<string | null> {
  let isOurs = false;
  try {
    await using file = await open(path, 'wx', 0o600);
    isOurs = true;
    await file.writeFile(text);
    await file.sync();
    return null;
  } catch (error) {
    // Half of one is no bundle.
    if (isOurs) await rm(path, { force: true }).catch(() => {});
    return problemOf(error as NodeJS.ErrnoException, path);
  }
}

export function isThere(path: string): string {
  return `${path} is there already, and is left as it is: name another file with -o.`;
}

function problemOf({ code, message }: NodeJS.ErrnoException, path: string): string {
  switch (code) {
    case 'EEXIST':
      return isThere(path);
    case 'ENOENT':
      return `There is no folder ${dirname(path)} for ${basename(path)}: make it, or name another file with -o.`;
    case 'ENOSPC':
    case 'EDQUOT':
      return `The disk is full (${code}), and ${path} was not written: name a file elsewhere with -o, or take it from standard output with -o -.`;
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `${path} cannot be written here (${code}): name a file elsewhere with -o.`;
    default:
      return `${path} cannot be written: ${message}`;
  }
}

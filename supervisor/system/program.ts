import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';

/**
 * Where a program is that a shell would run by this name; null when there is none. `also` are folders to look in after the PATH:
 * services often have a shorter one than people.
 */
export function findProgram(
  name: string,
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
  also: readonly string[] = [],
): string | null {
  if (name.includes('/')) return isProgram(resolve(cwd, name)) ? resolve(cwd, name) : null;
  const folders = [...(env['PATH'] ?? '').split(delimiter), ...also];
  return folders.map((folder) => join(folder || cwd, name)).find(isProgram) ?? null;
}

/** Whether this is a file that the system would run. */
export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where a program lies in PATH, or below `/usr/sbin`, where distributions put servers; null where it is not installed. */
export function findProgram(name: string, without: ReadonlySet<string>): string | null {
  if (without.has(name)) return null;
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin'].filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, name)).find(isExecutable) ?? null;
}

/** The first number with a dot in it that the program prints of itself; null where it says nothing. */
export function versionOf(program: string, flag: string): string | null {
  try {
    // nginx tells its version on standard error.
    const said = execFileSync('sh', ['-c', '"$0" "$1" 2>&1', program, flag], { encoding: 'utf8', timeout: 30_000, stdio: 'pipe' });
    return /\d+\.[\w.+-]*\w/.exec(said)?.[0] ?? null;
  } catch {
    return null;
  }
}

/** A program of this repository, by its path from here, which is .js where it has been packed. */
export function ownProgram(path: string): string {
  return fileURLToPath(new URL(`${path}${extname(import.meta.url)}`, import.meta.url));
}

/** A file of this repository that is no program, by its path from here. */
export function ownFile(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

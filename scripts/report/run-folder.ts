import { randomBytes } from 'node:crypto';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A folder of its own for the results of one run, below experiments/runs. `kind`: load, abtest, … @throws Error with the system's code */
export function makeRunFolder(cwd: string, kind: string, at: Date): string {
  const folder = join(cwd, 'experiments/runs', `${at.toISOString().slice(0, 10)}-${kind}-${randomBytes(3).toString('hex')}`);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Writes a file whole or not at all: a run that is killed leaves no half of a result. @throws Error with the system's code */
export function writeWhole(path: string, content: string): void {
  writeFileSync(`${path}.part`, content);
  renameSync(`${path}.part`, path);
}

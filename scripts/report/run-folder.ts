import { randomBytes } from 'node:crypto';
import { mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** A folder of its own for the results of one run, below experiments/runs. `kind`: load, abtest, … @throws Error with the system's code */
export function makeRunFolder(cwd: string, kind: string, at: Date): string {
  const folder = join(cwd, 'experiments/runs', `${at.toISOString().slice(0, 10)}-${kind}-${randomBytes(3).toString('hex')}`);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/**
 * The folder that `--out` names, made where it is not there: before anything is measured, so that nothing is measured in vain.
 * @throws Error in words
 */
export function outFolder(cwd: string, out: string): string {
  const folder = resolve(cwd, out);
  try {
    makeEach(folder);
  } catch (error) {
    throw new Error(`--out ${out} cannot be made: ${(error as Error).message}`);
  }
  if (!statSync(folder).isDirectory()) throw new Error(`--out ${out} is a file: name a folder.`);
  return folder;
}

/** One after another: asked for all of them, Node 26 tries for ever below /proc. */
function makeEach(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false }) !== undefined) return;
  makeEach(dirname(folder));
  mkdirSync(folder);
}

/** Writes result and report of the program `name`, and says where they lie. @throws Error with the system's code */
export function writeReport(name: string, folder: string, json: string, page: string): void {
  writeWhole(join(folder, 'result.json'), json);
  writeWhole(join(folder, 'report.html'), page);
  process.stderr.write(`headgate ${name}: ${join(folder, 'report.html')}\n`);
}

/** Writes a file whole or not at all: a run that is killed leaves no half of a result. @throws Error with the system's code */
export function writeWhole(path: string, content: string): void {
  writeFileSync(`${path}.part`, content);
  renameSync(`${path}.part`, path);
}

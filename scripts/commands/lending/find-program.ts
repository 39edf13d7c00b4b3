import { statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { isProgram } from '../../../supervisor/system/program.ts';

/** Where the system looks when nobody says. */
const USUAL_PATH = '/bin:/usr/bin';

/** Why a program would not start by this name, with the exit code that a shell has for it; null: nothing speaks against it. */
export function whyNoProgram(name: string, path: string | undefined): { readonly why: string; readonly exitCode: number } | null {
  const places = name.includes('/') ? [name] : (path ?? USUAL_PATH).split(delimiter).map((folder) => join(folder, name));
  const files = name === '' ? [] : places.filter(isThere);
  if (files.length === 0) return { why: 'there is no such program', exitCode: 127 };
  return files.some(isProgram) ? null : { why: `${files[0]} cannot be executed`, exitCode: 126 };
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

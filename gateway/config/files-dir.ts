import { join, resolve } from 'node:path';
import type { Settings } from './schema/settings.ts';

/** The folder of the files; null: there is none. @param stateDir null: there is none @param cwd where a relative path starts */
export function filesDir({ files }: Pick<Settings, 'files'>, stateDir: string | null, cwd: string): string | null {
  if (files.dir !== 'auto') return resolve(cwd, files.dir);
  return stateDir === null ? null : join(stateDir, 'files');
}

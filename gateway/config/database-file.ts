import { join, resolve } from 'node:path';
import type { Settings } from './schema/settings.ts';

/** The file of the database; null: nothing is written down here. @param stateDir null: there is none @param cwd where a relative path starts */
export function databaseFile({ database }: Pick<Settings, 'database'>, stateDir: string | null, cwd: string): string | null {
  if (database.url !== 'auto') return resolve(cwd, database.url.slice('sqlite:'.length));
  return stateDir === null ? null : join(stateDir, 'headgate.db');
}

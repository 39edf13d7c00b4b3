import { join, resolve } from 'node:path';
import type { Settings } from './schema/settings.ts';

/** Where the database is: a file on this machine, or a server that several gateways share. */
export type DatabasePlace = { readonly kind: 'file'; readonly path: string } | { readonly kind: 'server'; readonly url: string };

/** null: nothing is written down here. @param stateDir null: there is none @param cwd where a relative path starts */
export function databasePlace({ database }: Pick<Settings, 'database'>, stateDir: string | null, cwd: string): DatabasePlace | null {
  const { url } = database;
  if (url === 'auto') return stateDir === null ? null : { kind: 'file', path: join(stateDir, 'headgate.db') };
  if (url.startsWith('sqlite:')) return { kind: 'file', path: resolve(cwd, url.slice('sqlite:'.length)) };
  return { kind: 'server', url };
}

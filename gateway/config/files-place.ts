import { join, resolve } from 'node:path';
import type { DatabasePlace } from './database-place.ts';
import type { Settings } from './schema/settings.ts';

/** Where the bytes of files are: in a folder, or in the server of the database. */
export type FilesPlace = { readonly kind: 'folder'; readonly path: string } | { readonly kind: 'database' };

/**
 * null: nowhere. A server is shared with gateways that see no folder of this machine: unless another one is named, files go there, too.
 * @param stateDir null: there is none @param cwd where a relative path starts
 */
export function filesPlace(
  { files: { dir } }: Pick<Settings, 'files'>,
  database: DatabasePlace | null,
  stateDir: string | null,
  cwd: string,
): FilesPlace | null {
  if (dir === 'database' || (dir === 'auto' && database?.kind === 'server')) return { kind: 'database' };
  if (dir !== 'auto') return { kind: 'folder', path: resolve(cwd, dir) };
  return stateDir === null ? null : { kind: 'folder', path: join(stateDir, 'files') };
}

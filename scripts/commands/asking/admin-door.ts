import { findAdminKey } from '../../../gateway/config/admin-key.ts';
import type { AdminDoor } from '../../abtest/live/trial.ts';
import { readCommandLine } from '../line/command-line.ts';
import { findGateway } from './find-gateway.ts';

/**
 * Where the gateway whose API is at `base` hears its operator, and with which key: as the settings of this folder say. One that is not of this
 * folder is taken to hear him at the same address. @throws Error in words when there is a key that cannot be read
 */
export async function findAdmin(where: readonly string[], base: string): Promise<AdminDoor> {
  const line = readCommandLine('abtest', where, { tolerant: 'silently' });
  if (line.kind === 'ended') throw new Error('which gateway is meant cannot be told');
  const { settings } = line.loaded;
  const found = findAdminKey(settings, line.cwd);
  if (found?.kind === 'none') throw new Error(found.problem);
  const own = settings.admin.port === null ? null : await findGateway(line.loaded, line.cwd, 'api');
  const root = new URL(base).origin;
  const isOwn = own !== null && !own.isGuess && new URL(own.base).origin === root;
  return { base: isOwn ? (await findGateway(line.loaded, line.cwd, 'admin')).base : root, key: found?.key ?? null };
}

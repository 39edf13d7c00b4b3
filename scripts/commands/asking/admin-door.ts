import { findAdminKey } from '../../../gateway/config/admin-key.ts';
import type { LoadedSettings } from '../../../gateway/config/load.ts';
import type { AdminDoor } from '../../load/place.ts';
import { readCommandLine } from '../line/command-line.ts';
import { findGateway } from './find-gateway.ts';

/**
 * Where the gateway whose API is at `base` hears its operator, and with which key: as the settings of this folder say, if it is the one that
 * they mean. Another server is asked at the same address and without a key: that of this folder is none of its business. `given`: the key that
 * was named on the command line, for whichever it is. @throws Error in words when there is a key that cannot be read, and none was named
 */
export async function adminDoor(loaded: LoadedSettings, cwd: string, base: string, given: string | null): Promise<AdminDoor> {
  const { settings } = loaded;
  const own = await findGateway(loaded, cwd, 'api');
  const place = placeOf(base);
  if (own.isGuess || ![own.base, ...own.others].some((each) => placeOf(each) === place)) return { base: new URL(base).origin, key: given };
  const found = given === null ? findAdminKey(settings, cwd) : null;
  if (found?.kind === 'none') throw new Error(found.problem);
  const key = given ?? found?.key ?? null;
  if (settings.admin.port === null) return { base: new URL(base).origin, key };
  return { base: (await findGateway(loaded, cwd, 'admin')).base, key };
}

/** The same by the flags of the settings, as they were typed. @throws Error in words */
export async function findAdmin(where: readonly string[], base: string, given: string | null): Promise<AdminDoor> {
  const line = readCommandLine('abtest', where, { tolerant: 'silently' });
  if (line.kind === 'ended') throw new Error('which gateway is meant cannot be told');
  return await adminDoor(line.loaded, line.cwd, base, given);
}

/** Host and port; all names of this machine's loopback are one. */
function placeOf(base: string): string {
  const { protocol, hostname, port } = new URL(base);
  return `${protocol}//${['localhost', '[::1]'].includes(hostname) ? '127.0.0.1' : hostname}:${port}`;
}

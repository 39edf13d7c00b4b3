import { createHash } from 'node:crypto';
import type { RequestOptions } from 'node:http';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import type { Settings } from '../config/schema/settings.ts';

/** The kernel's limit for a socket's path is 107 bytes (Linux) or 103 (macOS). */
const MAX_SOCKET_PATH_BYTES = 100;

/**
 * Where gateway and supervisor talk: the path of a Unix socket, or an `http://127.0.0.1:PORT` URL where the settings name one.
 * `auto` is a socket in the state folder; where that path is too long for a socket, one in a folder of this user's own under the
 * system's temporary folder, named after the state folder.
 */
export function controlPath(settings: Settings, cwd: string): string {
  const { control } = settings.supervisor;
  if (isControlUrl(control)) return control;
  if (control !== 'auto') return resolve(cwd, control);
  const stateDir = resolve(cwd, settings.supervisor.state_dir);
  const path = join(stateDir, 'control.sock');
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return path;
  const name = createHash('sha256').update(stateDir).digest('hex').slice(0, 16);
  return join(tmpdir(), `headgate-${userInfo().uid}-${name}`, 'control.sock');
}

/** Whether a control path is a URL and not a socket. */
export function isControlUrl(path: string): boolean {
  return path.startsWith('http://');
}

/** What to connect to for a control path, or to listen on. */
export function controlTarget(path: string): { readonly socketPath: string } | { readonly host: string; readonly port: number } {
  if (!isControlUrl(path)) return { socketPath: path };
  const url = new URL(path);
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 80) };
}

/**
 * The options of a request to the control API, whose resource is `resource`. It has a connection of its own: the API is quiet, and one that
 * is kept open would be found dead at the wrong time. The name in Host is never looked up; a supervisor may use it to turn browsers away.
 */
export function controlRequest(path: string, method: 'GET' | 'POST', resource: string): RequestOptions {
  return { ...controlTarget(path), agent: false, method, path: resource, headers: { host: 'localhost' } };
}

import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import type { Settings } from '../../../gateway/config/schema/settings.ts';
import { headgateAt } from '../../../gateway/link/headgate-at.ts';

const LISTENING = '0A';

/** A setting that is a port of ours. */
export type PortSetting = 'server.port' | 'server.probe_port' | 'admin.port';

/** Whose a port is that could not be listened on. */
export function portSetting({ server, admin }: Pick<Settings, 'server' | 'admin'>, port: number): PortSetting {
  if (port === server.port) return 'server.port';
  if (port === server.probe_port) return 'server.probe_port';
  return port === admin.port ? 'admin.port' : 'server.port';
}

/** Who has a port that we wanted, and how to get it or another, in a sentence or two. Asks for three seconds at most. */
export async function portHolder(host: string, port: number, setting: PortSetting = 'server.port'): Promise<string> {
  const other = anotherPort(setting);
  const version = await headgateAt(local(host), port);
  const holder = processAt(port);
  if (version !== null) {
    const url = `http://${shown(host)}:${port}`;
    const stop = holder === null ? '' : ` "kill ${holder.pid}" stops it;`;
    const who = holder === null ? '' : ` (process ${holder.pid})`;
    const use =
      setting === 'server.port' ? `: ${url} is ready to be used, and "headgate status --port ${port}" says how it is.${stop}` : `;${stop}`;
    return `Headgate ${version} runs there already${who}${use} ${other}.`;
  }
  if (holder === null) return `Another program listens there; ${other}.`;
  return `Process ${holder.pid} listens there (${holder.name}); ${other}.`;
}

/** What to do where a port cannot be had. */
export function anotherPort(setting: PortSetting): string {
  return setting === 'server.port' ? '--port takes another port' : `set ${setting} to another port`;
}

/** The process that listens on a port, where the system lets us see it: Linux, and one of this user. */
function processAt(port: number): { readonly pid: number; readonly name: string } | null {
  const sockets = new Set(['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) => listenersIn(table, port)));
  if (sockets.size === 0) return null;
  for (const pid of entries('/proc').filter((name) => /^\d+$/.test(name))) {
    const holds = entries(`/proc/${pid}/fd`).some((fd) => sockets.has(linkOf(`/proc/${pid}/fd/${fd}`)));
    if (holds) return { pid: keeperOf(Number(pid)), name: text(`/proc/${pid}/comm`).trim() || 'unknown' };
  }
  return null;
}

/** Of several processes that are one gateway the one to send signals to is their parent, as long as they have it. */
function keeperOf(pid: number): number {
  if (!/\0[^\0]*gateway\/process\.(?:ts|js)\0/.test(text(`/proc/${pid}/cmdline`))) return pid;
  const parent = Number(
    text(`/proc/${pid}/stat`)
      .replace(/^.*\) /s, '')
      .split(' ')[1],
  );
  return text(`/proc/${parent}/cmdline`).includes('headgate') ? parent : pid;
}

/** Of each socket that listens on the port its name as a file descriptor has it. */
function listenersIn(table: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return text(table)
    .split('\n')
    .flatMap((line) => {
      const [, address = '', , state, , , , , , inode] = line.trim().split(/\s+/);
      return state === LISTENING && address.endsWith(`:${wanted}`) ? [`socket:[${inode}]`] : [];
    });
}

/** Listening on every address is asked for on loopback. */
function local(host: string): string {
  return host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
}

function shown(host: string): string {
  return local(host).includes(':') ? `[${local(host)}]` : local(host);
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A TCP socket that a process has open. */
export interface OpenSocket {
  readonly localPort: number;
  readonly remotePort: number;
  readonly state: 'established' | 'close-wait' | 'listen' | 'other';
}

const STATES: Readonly<Record<string, OpenSocket['state']>> = { '01': 'established', '08': 'close-wait', '0A': 'listen' };

/** All TCP sockets of a process, by /proc; none where it has ended. */
export function socketsOf(pid: number): OpenSocket[] {
  const inodes = new Set(filesOf(pid).flatMap((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []));
  return ['tcp', 'tcp6'].flatMap((name) => tableOf(pid, name)).filter(({ inode }) => inodes.has(inode));
}

/** What a process has open, as /proc names it. */
export function filesOf(pid: number): string[] {
  let names: string[];
  try {
    names = readdirSync(`/proc/${pid}/fd`);
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${name}`)];
    } catch {
      return [];
    }
  });
}

function tableOf(pid: number, name: string): (OpenSocket & { readonly inode: string })[] {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/net/${name}`, 'utf8');
  } catch {
    return [];
  }
  return text
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => {
      const [, local = '', remote = '', state = '', , , , , , inode = ''] = line.trim().split(/\s+/);
      return { localPort: portOf(local), remotePort: portOf(remote), state: STATES[state] ?? ('other' as const), inode };
    });
}

function portOf(address: string): number {
  return Number.parseInt(address.slice(address.lastIndexOf(':') + 1), 16);
}

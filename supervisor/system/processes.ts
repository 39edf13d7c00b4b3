import { readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import type { Clock } from '../../gateway/core/clock.ts';
import { sleep } from '../../gateway/core/clock.ts';
import { INSTANCE_VARIABLE } from './instance-variable.ts';

interface ProcessEntry {
  readonly pid: number;
  /** The process group. */
  readonly group: number;
  /** When it began, in the kernel's ticks since boot: with the pid it names a process for good. */
  readonly startTicks: number;
}

/** Which processes are meant: those in a group, and those that carry a mark in their environment. */
interface Target {
  readonly group: number | null;
  /** Whether a process with this instance id is one of them. */
  readonly isMarked: (instanceId: string) => boolean;
}

/** Every live process of the machine; empty where there is no /proc. Zombies do not count. */
export function listProcesses(): ProcessEntry[] {
  let names: string[];
  try {
    names = readdirSync('/proc');
  } catch {
    return [];
  }
  return names.flatMap((name) => (/^\d+$/.test(name) ? (readProcess(Number(name)) ?? []) : []));
}

/** null when there is no such live process. */
export function readProcess(pid: number): ProcessEntry | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the program's name in parentheses and may hold anything, spaces and parentheses included.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return null;
    return { pid, group: Number(fields[2]), startTicks: Number(fields[19]) };
  } catch {
    return null;
  }
}

/** The mark that a process carries; null when it has none or its environment is not ours to read. */
export function instanceIdOf(pid: number): string | null {
  try {
    const environ = readFileSync(`/proc/${pid}/environ`, 'latin1');
    const found = environ.split('\0').find((entry) => entry.startsWith(`${INSTANCE_VARIABLE}=`));
    return found?.slice(INSTANCE_VARIABLE.length + 1) ?? null;
  } catch {
    return null;
  }
}

/** The file that a process writes its output to; null where that is none, was removed, or the system does not say. */
export function outputFileOf(pid: number): string | null {
  try {
    const path = readlinkSync(`/proc/${pid}/fd/1`);
    return statSync(path).isFile() ? path : null;
  } catch {
    return null;
  }
}

/** The live processes that a target means, never this one. */
export function find(target: Target): ProcessEntry[] {
  const processes = listProcesses();
  if (processes.length === 0)
    return target.group !== null && signal(-target.group, 0) ? [{ pid: -target.group, group: target.group, startTicks: 0 }] : [];
  return processes.filter(({ pid, group }) => {
    if (pid === process.pid) return false;
    if (group === target.group) return true;
    const instanceId = instanceIdOf(pid);
    return instanceId !== null && target.isMarked(instanceId);
  });
}

/** Sends a signal; false when there is nobody (any more) to receive it. 0 only asks. */
export function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    // Somebody is there, but not ours.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

const POLL_MS = 50;

/**
 * Ends whatever is left: asks first, then insists.
 * Resolves with the pids that outlived even SIGKILL for `killPatienceMs`: they hang in the kernel.
 */
export async function endAll(clock: Clock, target: Target, termPatienceMs: number, killPatienceMs = 30_000): Promise<number[]> {
  for (const [name, patienceMs] of [
    ['SIGTERM', termPatienceMs],
    ['SIGKILL', killPatienceMs],
  ] as const) {
    const until = clock.now() + patienceMs;
    for (const { pid } of find(target)) signal(pid, name);
    for (;;) {
      const left = find(target);
      if (left.length === 0) return [];
      if (clock.now() >= until) break;
      // One that was born meanwhile has not heard it yet.
      if (name === 'SIGKILL') for (const { pid } of left) signal(pid, name);
      await sleep(clock, POLL_MS);
    }
  }
  return find(target).map(({ pid }) => pid);
}

import { readdirSync, readFileSync } from 'node:fs';

/** Ticks of utime and stime a second: USER_HZ, which Linux fixes at 100 for what it tells of itself. */
const TICK_US = 10_000;

/** Two accounts of the CPU time that processes have used so far, in microseconds. */
export interface CpuAccount {
  /** The scheduler's, exact, of the threads that live; null on a kernel that keeps none. */
  readonly schedulerUs: number | null;
  /** In ticks of 10 ms, of all threads that ever were, ended children included. */
  readonly ticksUs: number;
}

/** Of a process and all that it has started. What ends meanwhile is left out. */
export function accountOf(root: number): CpuAccount {
  let schedulerUs: number | null = 0;
  let ticksUs = 0;
  for (const pid of processTree(root)) {
    const fields = read(`/proc/${pid}/stat`)
      ?.replace(/^.*\) /s, '')
      .split(' ')
      .slice(11, 15);
    if (!fields) continue;
    for (const field of fields) ticksUs += Number(field) * TICK_US;
    const own = schedulerOf(pid);
    schedulerUs = own === null || schedulerUs === null ? null : schedulerUs + own;
  }
  return { schedulerUs, ticksUs };
}

/** What was used between two accounts; of the scheduler where it keeps one and no thread has ended, which takes its time with it. */
export function usedUs(before: CpuAccount, after: CpuAccount): { readonly cpuUs: number; readonly ticksUs: number } {
  const ticksUs = after.ticksUs - before.ticksUs;
  if (before.schedulerUs === null || after.schedulerUs === null) return { cpuUs: ticksUs, ticksUs };
  const schedulerUs = after.schedulerUs - before.schedulerUs;
  // Two roundings, each of up to a tick for user and for system time.
  const lost = ticksUs - schedulerUs > Math.max(4 * TICK_US, 0.05 * ticksUs);
  return { cpuUs: lost ? ticksUs : schedulerUs, ticksUs };
}

/** Run time of every thread of a process so far, in microseconds: the scheduler's own account. @throws when there is no such process */
export function cpuUs(pid: number): number {
  readdirSync(`/proc/${pid}/task`);
  return schedulerOf(pid) ?? 0;
}

function schedulerOf(pid: number): number | null {
  let nanoseconds: number | null = null;
  try {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const text = read(`/proc/${pid}/task/${task}/schedstat`);
      if (text !== null) nanoseconds = (nanoseconds ?? 0) + Number(text.split(' ')[0]);
    }
  } catch {
    return 0;
  }
  return nanoseconds === null ? null : nanoseconds / 1000;
}

/** What a process holds of main memory, in MiB. `peak`: the most that it ever held. @throws when there is no such process */
export function memoryMib(pid: number, which: 'now' | 'peak'): number {
  const field = which === 'peak' ? /VmHWM:\s+(\d+)/ : /VmRSS:\s+(\d+)/;
  return Math.round(Number(field.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024);
}

/** Main memory of a process and all that it has started, in KiB. */
export function treeKib(root: number): number {
  const kib = (pid: number) => Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${pid}/status`) ?? '')?.[1] ?? 0);
  return processTree(root).reduce((sum, pid) => sum + kib(pid), 0);
}

/** A process, and all that come from it. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = Number(
      read(`/proc/${name}/stat`)
        ?.replace(/^.*\) /s, '')
        .split(' ')[1] ?? -1,
    );
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const tree = [root];
  for (const pid of tree) tree.push(...(children.get(pid) ?? []));
  return tree;
}

function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

import { readFileSync } from 'node:fs';

/** Which CPU each part has to itself; null where there is one CPU only, or nothing that could pin. */
export interface Cores {
  readonly proxy: number | null;
  readonly stub: number | null;
  readonly load: number | null;
}

export const UNPINNED: Cores = { proxy: null, stub: null, load: null };

/** The proxy shares no physical core with anything, as long as there are two. `coreOf`: which core a CPU belongs to. */
export function chooseCores(cpus: readonly number[], coreOf: (cpu: number) => string): Cores {
  const seen = new Set<string>();
  const firsts = cpus.filter((cpu) => !seen.has(coreOf(cpu)) && seen.add(coreOf(cpu)));
  const order = [...firsts, ...cpus.filter((cpu) => !firsts.includes(cpu))];
  // The first CPU of a machine has most of the interrupts.
  const [proxy, stub, load = stub] = firsts.length > 3 ? order.slice(1) : order;
  return proxy === undefined || stub === undefined || load === undefined ? UNPINNED : { proxy, stub, load };
}

/** For this process, on this machine. */
export function coresHere(): Cores {
  const list = /Cpus_allowed_list:\s*(\S+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
  return chooseCores(readCpuList(list), (cpu) => {
    try {
      return readFileSync(`/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`, 'utf8');
    } catch {
      return String(cpu);
    }
  });
}

/** `0-2,5` as the kernel writes it. */
export function readCpuList(list: string): number[] {
  return list
    .split(',')
    .filter((range) => range !== '')
    .flatMap((range) => {
      const [from = 0, to = from] = range.split('-').map(Number);
      return Array.from({ length: to - from + 1 }, (_, at) => from + at);
    });
}

import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';

/** What the figures were measured on. */
export function machineFacts(): Readonly<Record<string, string | number>> {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memory_gib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    arch: arch(),
    node: process.versions.node,
    load_before: Number((loadavg()[0] ?? 0).toFixed(2)),
  };
}

/** How many files a process may have open at most. */
export function filesMost(): number {
  const limit = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  return limit === undefined || limit === 'unlimited' ? 1_048_576 : Number(limit);
}

import { arch, availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os';

/** The machine that measures, and how busy it was before; what is measured may run elsewhere. */
export function machineFacts(): Readonly<Record<string, string | number>> {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memory_gib: Math.round(totalmem() / 2 ** 30),
    kernel: `${type()} ${release()}`,
    arch: arch(),
    node: process.versions.node,
    load_before: Number((loadavg()[0] ?? 0).toFixed(2)),
  };
}

import { existsSync, readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, freemem, homedir, hostname, loadavg, platform, release, totalmem, userInfo } from 'node:os';
import { openFilesLimit } from '../config/open-files.ts';
import type { PrivateText } from './veil/known-texts.ts';

const CGROUP = '/sys/fs/cgroup';
const MOST_CHARS = 200;

/** What the machine is, and what of it this process may have. Bytes; null where nobody says. Its name, and whose it is, is not among it. */
export function machinePart(env: Readonly<Record<string, string | undefined>>) {
  const all = cpus();
  return {
    system: `${platform()} ${release()} ${arch()}`,
    processor: all[0]?.model.trim() ?? null,
    cpus: all.length,
    usable_cpus: availableParallelism(),
    load_average: loadavg().map((each) => Math.round(each * 100) / 100),
    memory_total_bytes: totalmem(),
    memory_free_bytes: freemem(),
    open_files_limit: openFilesLimit(),
    container: containerOf(env),
    cgroup: {
      memory_max: first(`${CGROUP}/memory.max`) ?? first(`${CGROUP}/memory/memory.limit_in_bytes`),
      memory_current: first(`${CGROUP}/memory.current`) ?? first(`${CGROUP}/memory/memory.usage_in_bytes`),
      cpu_max: first(`${CGROUP}/cpu.max`) ?? first(`${CGROUP}/cpu/cpu.cfs_quota_us`),
      pids_max: first(`${CGROUP}/pids.max`) ?? first(`${CGROUP}/pids/pids.max`),
    },
    node: process.versions.node,
    v8: process.versions.v8,
    nvidia_driver: /(?:Kernel Module|for \w+)\s+([\d.]{3,20})/.exec(first('/proc/driver/nvidia/version') ?? '')?.[1] ?? null,
  };
}

interface Owner {
  readonly host: string;
  readonly home: string;
  /** null: it has no name. */
  readonly user: string | null;
  readonly cwd: string;
}

function thisOwner(): Owner {
  return { host: hostname(), home: homedir(), user: nameOfUser(), cwd: process.cwd() };
}

/** Whose machine this is, so that it is recognized where it stands. */
export function ownNames({ host, home, user, cwd }: Owner = thisOwner()): PrivateText[] {
  return [
    { kind: 'host' as const, text: host },
    ...(home === '/' ? [] : [{ kind: 'path' as const, text: home }]),
    ...(user === null ? [] : [{ kind: 'user' as const, text: user }]),
    { kind: 'path' as const, text: cwd },
  ].filter(({ text }) => text.length >= 3 && !/^\/(?:root|tmp|app|var\/lib\/headgate)$/.test(text));
}

function nameOfUser(): string | null {
  try {
    return userInfo().username;
  } catch {
    // A container's user may have no name.
    return null;
  }
}

function containerOf(env: Readonly<Record<string, string | undefined>>): string | null {
  if (env['KUBERNETES_SERVICE_HOST'] !== undefined) return 'kubernetes';
  if (existsSync('/.dockerenv')) return 'docker';
  if (existsSync('/run/.containerenv')) return 'podman';
  return /microsoft/i.test(release()) ? 'wsl' : null;
}

function first(path: string): string | null {
  try {
    const line = readFileSync(path, 'utf8').split('\n', 1)[0]!.slice(0, MOST_CHARS);
    // What version 1 has for no limit.
    return line === '' ? null : /^\d{18,}$/.test(line) ? 'max' : line;
  } catch {
    return null;
  }
}

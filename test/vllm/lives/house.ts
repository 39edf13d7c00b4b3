import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { AdminStatus, WorkerStatus } from '../../../gateway/http/pages/admin-answers.ts';
import type { VllmEnvironment } from '../../../scripts/vllm/environment.ts';
import { AS_ADMIN } from '../../support/admin.ts';
import { until } from '../../support/gateway.ts';
import { freePort } from '../../support/ports.ts';
import { run, type RunningProcess } from '../../support/process.ts';
import { type MemoryGroup, makeMemoryGroup, removeMemoryGroup } from './memory-group.ts';

const HEADGATE = fileURLToPath(new URL('../../../scripts/headgate.ts', import.meta.url));
/** The first start of all compiles every module of Python's. */
const READY_LIMIT_MS = 240_000;
/** An engine that has nothing to do ends within seconds. */
const STOP_LIMIT_MS = 90_000;

/** A folder with a settings file, in which `headgate serve` runs one real engine: started, killed and started again as a test likes. */
export class House implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'headgate-lives-'));
  readonly #environment: VllmEnvironment;
  readonly #port: number;
  /** Of this machine's memory, for Headgate and all that it starts; null where none can be made. */
  readonly memory: MemoryGroup | null = makeMemoryGroup();
  #serving: RunningProcess | null = null;

  private constructor(environment: VllmEnvironment, port: number, workerPort: number) {
    this.#environment = environment;
    this.#port = port;
    const settings = {
      server: { port },
      supervisor: { engine: 'vllm', port_range: [workerPort, workerPort + 9] },
      shutdown: { grace_ms: 60_000 },
      // With a process for its worker, as engines have them on more than one card.
      models: [
        {
          id: 'tiny',
          source: environment.model,
          engine: { load_format: 'dummy', dtype: 'bfloat16', enforce_eager: true, max_model_len: 1024 },
        },
      ],
    };
    Object.assign(settings.models[0]!.engine, { distributed_executor_backend: 'mp', max_num_seqs: 8 });
    writeFileSync(join(this.folder, 'headgate.yaml'), JSON.stringify(settings));
  }

  static async make(environment: VllmEnvironment): Promise<House> {
    return new House(environment, await freePort(), await freePort(10));
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get process(): RunningProcess {
    if (!this.#serving) throw new Error('it does not serve');
    return this.#serving;
  }

  /** Starts Headgate. Resolves when it is ready to serve. @throws when it ends before, or takes too long */
  async serve(): Promise<void> {
    const env = {
      PATH: `${join(this.#environment.folder, 'bin')}:${process.env['PATH'] ?? ''}`,
      VLLM_CPU_KVCACHE_SPACE: '1',
      VLLM_CPU_OMP_THREADS_BIND: 'nobind',
      HF_HUB_OFFLINE: '1',
      VLLM_NO_USAGE_STATS: '1',
    };
    const serving = run(process.execPath, [HEADGATE, 'serve'], { cwd: this.folder, env });
    this.#serving = serving;
    this.memory?.add(serving.child.pid!);
    let isOver = false;
    void serving.exited.then(() => (isOver = true));
    await until(async () => isOver || (await this.isReady()), 'headgate ready', READY_LIMIT_MS);
    if (isOver) throw new Error(`headgate ended: ${serving.output().slice(-3000)}`);
  }

  async isReady(): Promise<boolean> {
    try {
      return (await fetch(`${this.url}/readyz`)).status === 200;
    } catch {
      return false;
    }
  }

  async worker(): Promise<WorkerStatus> {
    const status = (await (await fetch(`${this.url}/admin/status`, { headers: AS_ADMIN })).json()) as AdminStatus;
    return status.workers[0]!;
  }

  /** The engine's processes, by the names that they give themselves. */
  async engine(): Promise<Readonly<Record<EnginePart, number>>> {
    const leader = (await this.worker()).pid ?? 0;
    const members = membersOf(leader);
    const named = (start: string): number => members.find(({ name }) => name.startsWith(start))?.pid ?? 0;
    return { server: leader, core: named('VLLM::EngineCor'), worker: named('VLLM::Worker') };
  }

  /** Ends Headgate as a crash would: nothing is told to anybody. */
  async crash(): Promise<void> {
    this.process.child.kill('SIGKILL');
    await this.process.exited;
  }

  /** What it leaves is looked at by whoever made it; here nothing may stay alive. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#serving) {
      this.#serving.child.kill('SIGTERM');
      await Promise.race([this.#serving.exited, sleep(STOP_LIMIT_MS, undefined, { ref: false })]);
      await this.#serving[Symbol.asyncDispose]();
    }
    const records = join(this.folder, '.headgate/workers');
    for (const name of namesIn(records).filter((file) => file.endsWith('.json'))) {
      const { pid } = JSON.parse(readFileSync(join(records, name), 'utf8')) as { pid: number };
      for (const member of membersOf(pid)) killOne(member.pid);
    }
    rmSync(this.folder, { recursive: true, force: true });
    if (this.memory) await removeMemoryGroup(this.memory);
  }
}

export type EnginePart = 'server' | 'core' | 'worker';

interface Member {
  readonly pid: number;
  readonly name: string;
}

/** Living processes of a group. */
export function membersOf(group: number): Member[] {
  return namesIn('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    let stat: string;
    try {
      stat = readFileSync(`/proc/${entry}/stat`, 'latin1');
    } catch {
      return [];
    }
    const end = stat.lastIndexOf(')');
    const fields = stat.slice(end + 2).split(' ');
    const isMember = Number(fields[2]) === group && fields[0] !== 'Z' && fields[0] !== 'X';
    return isMember ? [{ pid: Number(entry), name: stat.slice(stat.indexOf('(') + 1, end) }] : [];
  });
}

export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function killOne(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { VllmEnvironment } from '../../scripts/vllm/environment.ts';
import { freePort } from '../support/ports.ts';
import { type Scene, simFlags } from './scene.ts';

/** A program that answers HTTP, in a process group of its own. */
export interface Server extends AsyncDisposable {
  readonly port: number;
  readonly readyAfterMs: number;
  readonly pid: number;
  /** MiB of main memory that its whole group has now, shared pages counted once. */
  memoryMib(): number;
  output(): string;
}

const HEADGATE = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));
/** What both engines are started with. */
export const COMMON_FLAGS = ['--max-model-len', '1024', '--max-num-seqs', '8', '--host', '127.0.0.1'];

/** The real engine. Its start is nearly all imports: 45 s, and twice that the first time. */
export async function startVllm(environment: VllmEnvironment, scene: Scene): Promise<Server> {
  const port = await freePort();
  const flags = ['--load-format', 'dummy', '--dtype', 'bfloat16', '--enforce-eager', '--generation-config', 'vllm', '--port', String(port)];
  // Its sockets stay behind in the temporary folder: it gets one of its own.
  const temporary = mkdtempSync(join(tmpdir(), 'vllm-'));
  const env = {
    PATH: `${join(environment.folder, 'bin')}:${process.env['PATH'] ?? ''}`,
    HOME: process.env['HOME'] ?? '/',
    TMPDIR: temporary,
    VLLM_CPU_KVCACHE_SPACE: '1',
    VLLM_CPU_OMP_THREADS_BIND: 'nobind',
    HF_HUB_OFFLINE: '1',
    VLLM_NO_USAGE_STATS: '1',
    ...scene.env,
  };
  const server = await start(
    environment.command,
    ['serve', environment.model, ...COMMON_FLAGS, ...flags, ...scene.flags],
    env,
    port,
    300_000,
  );
  return withFolder(server, temporary);
}

export async function startSimulation(scene: Scene): Promise<Server> {
  const port = await freePort();
  const args = [HEADGATE, 'sim', 'serve', 'tiny', ...COMMON_FLAGS, '--port', String(port), ...simFlags(scene), ...scene.flags];
  return start(
    process.execPath,
    args,
    { PATH: process.env['PATH'] ?? '', SIM_SPEED: '0.01', SIM_START_MS: '15', ...scene.env },
    port,
    30_000,
  );
}

/** A gateway with its defaults in front of engines. */
export async function startGateway(workerPorts: number | readonly number[], { key }: Pick<Scene, 'key'>): Promise<Server> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'headgate-'));
  writeFileSync(
    join(folder, 'headgate.yaml'),
    JSON.stringify({ workers: [workerPorts].flat().map((worker) => ({ url: `http://127.0.0.1:${worker}`, api_key: key })) }),
  );
  const args = [HEADGATE, 'gateway', '--port', String(port)];
  const env = { PATH: process.env['PATH'] ?? '', HOME: folder };
  const server = await start(process.execPath, args, env, port, 30_000, '/readyz', folder);
  return withFolder(server, folder);
}

/** The folder goes with the server. */
function withFolder(server: Server, folder: string): Server {
  return {
    ...server,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function start(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  port: number,
  limitMs: number,
  healthPath = '/health',
  cwd?: string,
): Promise<Server> {
  const began = performance.now();
  const child = spawn(program, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env, ...(cwd === undefined ? {} : { cwd }) });
  let output = '';
  let over: string | null = null;
  const hear = (text: string): void => {
    output = (output + text).slice(-2_000_000);
  };
  child.stdout.setEncoding('utf8').on('data', hear);
  child.stderr.setEncoding('utf8').on('data', hear);
  child.once('error', (error) => (over = error.message));
  child.once('exit', (code, signal) => (over = `it ended with ${code ?? signal}`));
  const killGroup = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // Nobody is left.
    }
  };
  process.once('exit', killGroup);
  const stop = async (): Promise<void> => {
    killGroup();
    while (over === null) await pause(20);
    process.off('exit', killGroup);
  };
  while (!(await answers(port, healthPath))) {
    const late = performance.now() - began > limitMs;
    if (over === null && !late) {
      await pause(program === process.execPath ? 30 : 300);
      continue;
    }
    await stop();
    throw new Error(`${program} ${args[0] ?? ''} did not start: ${over ?? `not ready after ${limitMs} ms`}\n${output.slice(-3000)}`);
  }
  return {
    port,
    readyAfterMs: Math.round(performance.now() - began),
    pid: child.pid ?? 0,
    memoryMib: () => groupMemoryMib(child.pid ?? 0),
    output: () => output,
    [Symbol.asyncDispose]: stop,
  };
}

async function answers(port: number, path: string): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(5_000) })).ok;
  } catch {
    return false;
  }
}

function groupMemoryMib(group: number): number {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && groupOf(name) === group);
  const kib = pids.map((pid) => Number(/^Pss:\s+(\d+)/m.exec(readOr(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0));
  return Math.round(kib.reduce((sum, one) => sum + one, 0) / 1024);
}

function groupOf(pid: string): number {
  const stat = readOr(`/proc/${pid}/stat`);
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2] ?? -1);
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

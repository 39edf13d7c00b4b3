import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { environmentAt, DEFAULT_VERSION, installedVersion } from '../../vllm/environment.ts';
import { childrenOf, freePort, type Scene, until } from '../scene.ts';

export type EngineKind = 'sim' | 'vllm';

/** Two of the same kind with the same weights, whose engine cores can be killed. */
export interface MortalEngines extends Disposable {
  readonly model: string;
  readonly urls: readonly string[];
  /** SIGKILL to the engine core of one: its front end goes on for a moment and then ends. */
  kill(at: number): void;
}

const START_MS = 600_000;
/** Room for all, or those that are resumed would wait for the others to end. */
const SEATS = '32';

/** @throws Error where no vLLM is installed, or they do not start */
export async function startMortalEngines(scene: Scene, kind: EngineKind): Promise<MortalEngines> {
  const first = await freePort(2);
  const ports = [first, first + 1];
  const started = kind === 'sim' ? ports.map((port) => simulation(scene, port)) : ports.map(vllm);
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  const end = (): void => {
    for (const { child, folder } of started) {
      killGroup(child);
      if (folder !== null) rmSync(folder, { recursive: true, force: true });
    }
  };
  process.once('exit', end);
  for (const [at, url] of urls.entries()) {
    const isWell = async (): Promise<boolean> => {
      const { child } = started[at]!;
      if (child.exitCode !== null) throw new Error(`the engine on ${url} ended with ${child.exitCode}`);
      return (await fetch(`${url}/health`).catch(() => null))?.status === 200;
    };
    await until(isWell, `the engine on ${url} is up`, START_MS);
  }
  return {
    model: kind === 'sim' ? SIM_MODEL : 'tiny',
    urls,
    kill(at) {
      process.kill(engineCoreOf(started[at]!.child.pid!), 'SIGKILL');
    },
    [Symbol.dispose]() {
      process.off('exit', end);
      end();
    },
  };
}

interface Started {
  readonly child: ChildProcess;
  /** What it leaves behind goes with it. */
  readonly folder: string | null;
}

const SIM_MODEL = 'Qwen/Qwen2.5-1.5B-Instruct';

function simulation(scene: Scene, port: number): Started {
  // What stands for the weights is the seed.
  const env = { SIM_GPU: 'rtx-4080', SIM_START_MS: '0', SIM_SEED: '1' };
  const child = scene.startWith(env, 'sim', 'serve', SIM_MODEL, '--port', String(port), '--max-num-seqs', SEATS);
  return { child, folder: null };
}

function vllm(port: number): Started {
  const environment = environmentAt(DEFAULT_VERSION, process.env);
  if (installedVersion(environment) === null) throw new Error('No vLLM is installed; `npm run vllm:install` installs one for CPUs.');
  const folder = mkdtempSync(join(tmpdir(), 'vllm-'));
  const env = {
    PATH: `${join(environment.folder, 'bin')}:${process.env['PATH'] ?? ''}`,
    HOME: process.env['HOME'] ?? '/',
    TMPDIR: folder,
    VLLM_CPU_KVCACHE_SPACE: '1',
    VLLM_CPU_OMP_THREADS_BIND: 'nobind',
    HF_HUB_OFFLINE: '1',
    VLLM_NO_USAGE_STATS: '1',
  };
  const flags = [
    '--load-format',
    'dummy',
    '--dtype',
    'bfloat16',
    '--enforce-eager',
    '--generation-config',
    'vllm',
    '--max-model-len',
    '1024',
  ];
  const args = ['serve', environment.model, '--served-model-name', 'tiny', ...flags];
  const where = ['--max-num-seqs', SEATS, '--host', '127.0.0.1', '--port', String(port)];
  return { child: spawn(environment.command, [...args, ...where], { detached: true, stdio: 'ignore', env }), folder };
}

/** By its title, or the one child that the simulation has. */
function engineCoreOf(pid: number): number {
  const children = childrenOf(pid);
  const core = children.find((child) => titleOf(child).includes('EngineCore')) ?? children[0];
  if (core === undefined) throw new Error(`process ${pid} has no engine core`);
  return core;
}

function titleOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody is left, or it is in no group of its own and ends with the scene.
  }
}

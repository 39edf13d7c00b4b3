import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { newVram } from '../../supervisor/sim/card/vram-file.ts';
import { COMPILE_CACHE } from './compile-cache.ts';
import { freePort } from './ports.ts';

export interface SimOptions {
  readonly model?: string;
  /** Flags of `vllm serve`. */
  readonly args?: readonly string[];
  /** Added to DEFAULTS. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface FaultRequest {
  readonly fault: string;
  readonly count?: number;
  readonly after_tokens?: number;
}

/** A simulated vLLM that can be asked, wherever it runs. */
export interface ServedSim extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** What it has printed so far, both streams together. */
  output(): string;
  stdout(): string;
  stderr(): string;
  stop(): Promise<void>;
  /** Lets something go wrong; `none` ends what lasts. */
  fault(body: FaultRequest): Promise<void>;
}

/** A simulated vLLM in a process of its own. */
export interface RunningSim extends ServedSim {
  readonly pid: number;
  readonly child: ChildProcess;
  /** Resolves when it has ended, with the exit code or the signal. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Ends it and its engine core, if need be by SIGKILL to the group. */
  stop(): Promise<void>;
}

/** A quick start, whatever the speed of what follows, and faults on demand. */
export const DEFAULTS: Readonly<Record<string, string>> = { SIM_SPEED: '0.01', SIM_START_MS: '15', SIM_FAULTS: '1' };

const SIM_PROGRAM = fileURLToPath(new URL('../../supervisor/sim/main.ts', import.meta.url));
const READY_LINE = 'Application startup complete.';
/** The last on stdout before it. */
const LAST_LINE = 'Available routes are:';

/** Writes a SIM_VRAM_FILE: a machine with these cards, by the names of SIM_GPU, and nothing on them. */
export function writeVramFile(path: string, gpuIds: readonly string[]): void {
  writeFileSync(path, JSON.stringify(newVram(gpuIds)));
}

/** Launches the simulated vLLM on `port` without waiting for it to be ready. */
export async function launchSim(options: SimOptions = {}): Promise<RunningSim> {
  const port = await freePort();
  const args = [SIM_PROGRAM, 'serve', options.model ?? 'sim-1B', '--host', '127.0.0.1', '--port', String(port), ...(options.args ?? [])];
  const child = spawn(process.execPath, args, {
    // A group of its own, so that its engine core can be ended with it.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...COMPILE_CACHE, PATH: process.env['PATH'] ?? '', ...DEFAULTS, ...options.env },
  });
  const pid = child.pid!;
  let printed = '';
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    printed += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
    printed += text;
  });
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    // `close` comes when all it printed has been read; a killed one may leave its engine core behind, which keeps the pipes open.
    child.once('close', (code, signal) => resolve({ code, signal }));
    child.once('exit', (code, signal) => {
      if (signal === 'SIGKILL') resolve({ code, signal });
    });
  });
  const url = `http://127.0.0.1:${port}`;
  function killGroup(): void {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // The whole group has ended already.
    }
  }
  // A test that was broken off must not leave it running.
  process.once('exit', killGroup);
  async function stop(): Promise<void> {
    killGroup();
    await exited;
    process.off('exit', killGroup);
  }
  async function accepts(): Promise<boolean> {
    const socket = connect(port, '127.0.0.1');
    const accepted = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    return accepted;
  }
  async function fault(body: FaultRequest): Promise<void> {
    if (body.fault !== 'none') return strike(url, body);
    // A server that refuses connections cannot be asked; a signal reaches it.
    await strike(url, body).catch(() => process.kill(pid, 'SIGUSR2'));
    while (!(await accepts()));
  }
  return {
    url,
    port,
    pid,
    child,
    output: () => printed,
    stdout: () => out,
    stderr: () => err,
    exited,
    stop,
    fault,
    [Symbol.asyncDispose]: stop,
  };
}

/** Lets something go wrong with the simulated vLLM that answers at `url`. @throws Error when it refuses */
export async function strike(url: string, body: FaultRequest): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${url}/sim/fault`, { method: 'POST', headers, body: JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`the simulated engine refused the fault: ${text}`);
}

/** Launches the simulated vLLM on a free port and waits until it is ready. Throws with its output when it ends instead. */
export async function startSim(options: SimOptions = {}): Promise<RunningSim> {
  const sim = await launchSim(options);
  const ready = new Promise<'ready'>((resolve) => {
    const look = (): void => {
      // Two pipes: what was printed before may be read after.
      if (sim.stderr().includes(READY_LINE) && sim.stdout().includes(LAST_LINE)) resolve('ready');
    };
    sim.child.stdout!.on('data', look);
    sim.child.stderr!.on('data', look);
    look();
  });
  if ((await Promise.race([ready, sim.exited])) === 'ready') return sim;
  await sim.stop();
  throw new Error(`the simulated engine ended before it was ready:\n${sim.output()}`);
}

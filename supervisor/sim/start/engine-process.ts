import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Environment } from '../settings/knobs.ts';

/** How long the child may take to end when it is asked to. */
const END_MS = 500;

/** What the child says over the channel. */
export type FromEngineCore =
  /** From now on it hears what it is told. */
  | { readonly kind: 'up' }
  | { readonly kind: 'told to stop' }
  /** `status`: its exit code, or the negative number of the signal that ended it. */
  | { readonly kind: 'worker died'; readonly rank: number; readonly status: number };

/** What happens to the child. */
interface EngineListener {
  /** `told`: by a SIGTERM that came before it could hear of one. */
  onExit(told: boolean): void;
  /** It was sent a SIGTERM. */
  onToldToStop(): void;
  onWorkerDied(rank: number, status: number): void;
}

/** The child that stands for vLLM's engine core. */
export class EngineProcess {
  #child: ChildProcess | null = null;
  readonly #up = Promise.withResolvers<void>();

  /** Resolves when the child hears what it is told, or has ended. */
  get isUp(): Promise<void> {
    return this.#up.promise;
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** Starts the child, with a process of its own for each card where there are several. @returns its pid */
  async spawn(env: Environment, cards: number, listener: EngineListener): Promise<number> {
    const here = fileURLToPath(import.meta.url);
    const program = here.replace(/engine-process\.(ts|js)$/, 'engine-core.$1');
    const child = spawn(process.execPath, [program], {
      stdio: ['pipe', 'inherit', 'inherit', 'ipc'],
      env: { ...env, SIM_WORKERS: String(cards > 1 ? cards : 0) },
    });
    this.#child = child;
    child.once('exit', (_code, signal) => {
      this.#up.resolve();
      listener.onExit(signal === 'SIGTERM');
    });
    child.on('message', (message) => {
      const said = message as FromEngineCore;
      if (said.kind === 'up') this.#up.resolve();
      else if (said.kind === 'told to stop') listener.onToldToStop();
      else listener.onWorkerDied(said.rank, said.status);
    });
    // Its being there keeps nobody here.
    child.channel?.unref();
    // The child may end before it has read what it was told.
    child.stdin?.on('error', () => undefined);
    child.on('error', () => undefined);
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    return child.pid!;
  }

  /** Lets the child print what SIM_LOG_MIB asks for. */
  talk(): void {
    this.#child?.stdin?.write('ready\n');
  }

  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  /** Ends the child, by SIGKILL if that takes too long. */
  async end(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
    });
    if (child.connected) child.send('end', () => undefined);
    const timer = setTimeout(() => child.kill('SIGKILL'), END_MS);
    await ended;
    clearTimeout(timer);
  }
}

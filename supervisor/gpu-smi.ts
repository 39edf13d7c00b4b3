import { execa } from 'execa';
import type { Clock } from '../gateway/core/clock.ts';
import { findProgram } from './program.ts';

export type SmiAnswer =
  | { readonly kind: 'answered'; readonly text: string }
  /** `reason` in plain words. */
  | { readonly kind: 'missing' | 'hung' | 'failed'; readonly reason: string };

const TIMEOUT_MS = 5000;
const MAX_OUTPUT_BYTES = 2 ** 20;

/** Where nvidia-smi lies on WSL and in Kubernetes nodes' containers, whose services do not have these folders on their PATH. */
export const SMI_FOLDERS: readonly string[] = ['/usr/lib/wsl/lib', '/usr/local/nvidia/bin'];

/** Runs nvidia-smi. It may take seconds, and hang for good when a card has fallen off the bus. */
export class SmiProgram {
  readonly #clock: Clock;
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #folders: readonly string[];
  /** Runs that did not even end when they were killed: they hang in the driver, and one more would hang as well. */
  #stuck = 0;

  constructor(clock: Clock, env: Readonly<Record<string, string | undefined>>, folders: readonly string[] = SMI_FOLDERS) {
    this.#clock = clock;
    this.#env = env;
    this.#folders = folders;
  }

  /** Its path, or null. */
  find(): string | null {
    return findProgram('nvidia-smi', this.#env, '/', this.#folders);
  }

  async run(args: readonly string[]): Promise<SmiAnswer> {
    const program = this.find();
    if (program === null) return { kind: 'missing', reason: 'there is no nvidia-smi' };
    if (this.#stuck > 0) return { kind: 'hung', reason: 'nvidia-smi hangs inside the driver since it was last asked' };
    // A group of its own, so that children of a wrapper script end with it.
    const child = execa(program, args, {
      env: { ...this.#env },
      extendEnv: false,
      stdin: 'ignore',
      detached: true,
      cleanup: true,
      maxBuffer: MAX_OUTPUT_BYTES,
      reject: false,
    });
    const { promise: late, resolve } = Promise.withResolvers<'late'>();
    const timer = this.#clock.after(TIMEOUT_MS, () => resolve('late'));
    const result = await Promise.race([child, late]);
    timer.cancel();
    if (result === 'late') {
      this.#stuck += 1;
      void child.finally(() => (this.#stuck -= 1));
      killGroup(child.pid);
      return { kind: 'hung', reason: `nvidia-smi did not answer within ${TIMEOUT_MS / 1000} s` };
    }
    if (result.failed)
      return { kind: 'failed', reason: firstLine(result.stdout) ?? firstLine(result.stderr) ?? result.shortMessage ?? 'nvidia-smi failed' };
    return { kind: 'answered', text: result.stdout };
  }
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}

/** nvidia-smi reports its own troubles on standard output. */
function firstLine(text: string): string | null {
  return (
    text
      .split('\n')
      .map((line) => line.trim())
      .find((line) => line !== '') ?? null
  );
}

import type { Clock } from '../../gateway/core/clock.ts';
import { runBriefly } from '../system/brief-run.ts';
import { findProgram } from '../system/program.ts';

export type SmiAnswer =
  | { readonly kind: 'answered'; readonly text: string }
  /** `reason` in plain words. */
  | { readonly kind: 'missing' | 'hung' | 'failed'; readonly reason: string };

const TIMEOUT_MS = 5000;
const MAX_OUTPUT_BYTES = 2 ** 20;

/** Where nvidia-smi lies on WSL and in Kubernetes nodes' containers, whose services do not have these folders on their PATH. */
const SMI_FOLDERS: readonly string[] = ['/usr/lib/wsl/lib', '/usr/local/nvidia/bin'];

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

  async run(args: readonly string[]): Promise<SmiAnswer> {
    const program = findProgram('nvidia-smi', this.#env, '/', this.#folders);
    if (program === null) return { kind: 'missing', reason: 'there is no nvidia-smi' };
    if (this.#stuck > 0) return { kind: 'hung', reason: 'nvidia-smi hangs inside the driver since it was last asked' };
    const run = { program, args, env: this.#env, cwd: '/', timeoutMs: TIMEOUT_MS, maxOutputBytes: MAX_OUTPUT_BYTES };
    const answer = await runBriefly(this.#clock, run);
    if (answer.kind !== 'late') return answer;
    this.#stuck += 1;
    void answer.ended.finally(() => (this.#stuck -= 1));
    return { kind: 'hung', reason: `nvidia-smi did not answer within ${TIMEOUT_MS / 1000} s` };
  }
}

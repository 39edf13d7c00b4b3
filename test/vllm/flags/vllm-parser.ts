import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { VllmEnvironment } from '../../../scripts/vllm/environment.ts';

const PROGRAM = fileURLToPath(new URL('parse-lines.py', import.meta.url));
/** Its imports take half a minute on a cold disk; a line takes milliseconds. */
const LIMIT_MS = 300_000;

/** vLLM's own parser of `vllm serve`, in one process of Python. */
export interface VllmParser extends Disposable {
  /** Every flag that it has, with its dashes. */
  readonly flags: ReadonlySet<string>;
  /** What it says against each of these argument lists; null for one that it takes. */
  problems(lines: readonly (readonly string[])[]): Promise<readonly (string | null)[]>;
}

/** @throws Error with the last words of Python where it cannot be had */
export async function openParser({ python, folder }: VllmEnvironment): Promise<VllmParser> {
  // Not offline: then vLLM would look each model up among its downloads.
  const env = { ...process.env, VIRTUAL_ENV: folder, VLLM_NO_USAGE_STATS: '1', VLLM_LOGGING_LEVEL: 'ERROR' };
  const child = spawn(python, [PROGRAM], { stdio: ['pipe', 'pipe', 'pipe'], env });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-4000);
  });
  child.stdin.on('error', () => undefined);
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  const end = (): void => {
    clearTimeout(timer);
    child.kill('SIGKILL');
    process.off('exit', end);
  };
  process.once('exit', end);
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => {
    const { value, done } = await answers.next();
    if (done === true) throw new Error(`the parser of vLLM ended:\n${words}`);
    return JSON.parse(value as string) as unknown;
  };
  try {
    const flags = new Set((await next()) as string[]);
    return {
      flags,
      async problems(lines) {
        // Python answers as it reads: both pipes flow, whatever their sizes.
        child.stdin.write(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
        const found: (string | null)[] = [];
        while (found.length < lines.length) found.push((await next()) as string | null);
        return found;
      },
      [Symbol.dispose]: end,
    };
  } catch (error) {
    end();
    throw error;
  }
}

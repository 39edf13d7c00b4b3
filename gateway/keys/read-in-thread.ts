import { Worker } from 'node:worker_threads';
import type { Clock } from '../core/clock.ts';
import type { ClientKeySettings } from '../config/schema/client-keys.ts';

export interface KeysAsked {
  readonly file: string;
  readonly cwd: string;
  readonly inSettings: readonly ClientKeySettings[];
}

export type KeysTold =
  | { readonly kind: 'keys'; readonly keys: readonly ClientKeySettings[]; readonly warnings: readonly string[] }
  /** A line each. */
  | { readonly kind: 'wrong'; readonly problems: readonly string[] };

const LIMIT_MS = 60_000;

/** Reads a keys file in a thread of its own, which ends with it. Never rejects. */
export function readInThread(asked: KeysAsked, clock: Clock): Promise<KeysTold> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return new Promise((resolve) => {
    const thread = new Worker(new URL(`./keys-thread.${extension}`, import.meta.url), { workerData: asked });
    const limit = clock.after(LIMIT_MS, () => void thread.terminate());
    thread.unref();
    thread.once('message', resolve);
    thread.once('error', (error) => resolve(failed(asked, error instanceof Error ? error.message : String(error))));
    thread.once('exit', () => {
      limit.cancel();
      resolve(failed(asked, `not within ${LIMIT_MS / 1000} s`));
    });
  });
}

function failed({ file }: KeysAsked, why: string): KeysTold {
  return { kind: 'wrong', problems: [`${file}: could not be read: ${why}`] };
}

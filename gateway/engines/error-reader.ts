import { GatewayError } from '../core/errors.ts';
import { fromWorkerError } from '../vllm/worker-error.ts';
import type { ErrorReader } from './adapter.ts';
import { readSaid, type Said } from './said.ts';

/** Where an engine's words or statuses mean something else than they would elsewhere. */
interface Manner {
  /** What a status and its words really are; undefined: what they seem. */
  readonly meant?: (status: number, said: Said | null) => Meant | undefined;
  /** Words by which it says that a prompt is too long. */
  readonly tooLong: RegExp;
  readonly death?: RegExp;
}

/** busy: another worker may have room · ours: a failure of the worker, whatever it calls it · unknown-path: it has no such route · or a status, which it should have had. */
export type Meant = 'busy' | 'ours' | 'unknown-path' | number;

/** A reader for an engine that is not vLLM: its shapes are made vLLM's, and judged by the same rules. */
export function errorReader({ meant, tooLong, death }: Manner): ErrorReader {
  return {
    from(status, body, path, retryAfterMs) {
      const said = readSaid(body);
      const really = meant?.(status, said);
      if (really === 'unknown-path') return fromWorkerError(404, '', path);
      const as = really === 'busy' ? 503 : really === 'ours' ? 500 : (really ?? status);
      // A router that knows no such path says so in words of its own, which are no client's business.
      const isRouters =
        (as === 404 || as === 405) && (said === null || said.message === 'Not Found' || said.message === 'Method Not Allowed');
      const error = fromWorkerError(as, said === null || isRouters ? '' : asVllms(said), path, retryAfterMs);
      if (error.row.origin !== 'client' || said === null || isRouters) return error;
      if (tooLong.test(said.message) || said.type === 'exceed_context_size_error') return recoded(error, 'context_length_exceeded');
      // A word that clients of OpenAI look for is worth more than one that we could think of.
      return typeof said.code === 'string' && /^[a-z_]{3,64}$/.test(said.code) ? recoded(error, said.code) : error;
    },
    tellsDeath: (text) => death?.test(text) === true,
    tellsShutdown: () => false,
  };
}

function recoded(error: GatewayError, code: string): GatewayError {
  return new GatewayError(error.kind, error.message, { ...error.details, code });
}

function asVllms({ message, type, param }: Said): string {
  return JSON.stringify({ error: { message, type: type ?? '', param } });
}

import type { RequestOptions } from 'node:http';
import { type Clock, systemClock } from './clock.ts';

// An import of it would load Node's own fetch as well, unused, in 40 ms of CPU time: as long as all the rest of a small program.
const { request } = process.getBuiltinModule('node:http');

interface ExchangeLimits {
  /** The longest silence in milliseconds: while connecting, before the answer, within the answer. */
  readonly silenceMs: number;
  /** The longest that the exchange may take as a whole, in milliseconds. */
  readonly totalMs: number;
  /** The longest answer, in bytes of its body. */
  readonly maxBytes?: number;
  /** What `totalMs` is measured by. Default: the system's. */
  readonly clock?: Clock;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/**
 * One request and its whole answer, on a connection of its own unless an agent has one. `body` is sent as JSON; null sends none.
 * An AbortSignal in `where` ends the exchange. @throws Error with the system's code; ETIMEDOUT past a limit of time, EMSGSIZE past that of
 * size, ABORT_ERR when the signal ended it
 */
export function exchange(where: RequestOptions, body: unknown, limits: ExchangeLimits): Promise<Answer> {
  const { silenceMs, totalMs, maxBytes = MAX_ANSWER_BYTES, clock = systemClock } = limits;
  return new Promise<Answer>((resolve, reject) => {
    const payload = body === null ? null : JSON.stringify(body);
    const headers = payload === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) };
    const outgoing = request({ agent: false, ...where, timeout: silenceMs, headers: { ...where.headers, ...headers } }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes > maxBytes) giveUp('EMSGSIZE', `its answer is longer than ${maxBytes} bytes`);
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }));
      response.on('error', reject);
    });
    function giveUp(code: string, message: string): void {
      const error = Object.assign(new Error(message), { code });
      // At once: the end of the answer may be on its way.
      reject(error);
      outgoing.destroy(error);
    }
    const tooLate = (): void => giveUp('ETIMEDOUT', 'it did not answer in time');
    const whole = clock.after(totalMs, tooLate);
    outgoing.on('timeout', tooLate);
    outgoing.on('error', reject);
    outgoing.on('close', () => whole.cancel());
    outgoing.end(payload ?? undefined);
  });
}

import type { Clock } from '../core/clock.ts';
import { type ControlAddress, controlRequest } from './control-address.ts';

/** accepted: it will be done · unknown: there is no such worker or model · conflict: not in its present state · failed: the supervisor did not answer as it should */
export interface CommandResult {
  readonly kind: 'accepted' | 'unknown' | 'conflict' | 'failed';
  /** Plain words for the operator; the supervisor's own where it has some. */
  readonly message: string;
}

const TIMEOUT_MS = 5000;
const MAX_ANSWER_BYTES = 65_536;

/** Sends one command (`POST path`) to the supervisor. Never throws. */
export function commandSupervisor(clock: Clock, address: ControlAddress, path: string): Promise<CommandResult> {
  return new Promise((resolve) => {
    const request = controlRequest(address, { method: 'POST', path });
    const timer = clock.after(TIMEOUT_MS, () => fail(`it did not answer within ${TIMEOUT_MS / 1000} s`));

    function settle(result: CommandResult): void {
      timer.cancel();
      resolve(result);
      request.destroy();
    }

    function fail(reason: string): void {
      settle({ kind: 'failed', message: `The supervisor cannot be told: ${reason}.` });
    }

    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > MAX_ANSWER_BYTES) fail('its answer is too long');
        else chunks.push(chunk);
      });
      response.on('end', () => settle(readAnswer(response.statusCode ?? 0, Buffer.concat(chunks).toString('utf8'))));
      response.on('error', (error) => fail(error.message));
    });
    request.on('error', (error) => fail(error.message));
    request.on('close', () => fail('it closed the connection'));
    request.end();
  });
}

function readAnswer(status: number, body: string): CommandResult {
  const said = messageIn(body);
  if (status >= 200 && status < 300) return { kind: 'accepted', message: said ?? 'Accepted.' };
  if (status === 404) return { kind: 'unknown', message: said ?? 'The supervisor knows no such worker or model.' };
  if (status === 409) return { kind: 'conflict', message: said ?? 'That cannot be done in the present state.' };
  return { kind: 'failed', message: said ?? `The supervisor answered with status ${status}.` };
}

/** `{"message": …}` or `{"error": {"message": …}}`. */
function messageIn(body: string): string | null {
  try {
    const said: unknown = JSON.parse(body);
    const inner = typeof said === 'object' && said !== null && 'error' in said ? said.error : said;
    if (typeof inner === 'object' && inner !== null && 'message' in inner && typeof inner.message === 'string') return inner.message;
  } catch {
    // Not JSON: the status says enough.
  }
  return null;
}

import type { Clock } from '../core/clock.ts';
import { exchange } from '../core/exchange.ts';
import { controlRequest } from './control-path.ts';
import { readLease } from './read-lease.ts';
import type { LeaseView } from './snapshot.ts';

/** accepted: it will be done · unknown: there is no such worker or model · conflict: not in its present state · failed: the supervisor did not answer as it should */
export interface CommandResult {
  readonly kind: 'accepted' | 'unknown' | 'conflict' | 'failed';
  /** Plain words for the operator; the supervisor's own where it has some. */
  readonly message: string;
  /** Of a card that was asked for. */
  readonly lease?: LeaseView;
}

const TIMEOUT_MS = 5000;
const MAX_ANSWER_BYTES = 65_536;

/** Sends one command (`POST command`) to the supervisor that listens at the control path. Never throws. */
export async function commandSupervisor(clock: Clock, control: string, command: string): Promise<CommandResult> {
  try {
    const limits = { silenceMs: TIMEOUT_MS, totalMs: TIMEOUT_MS, maxBytes: MAX_ANSWER_BYTES, clock };
    const { status, text } = await exchange(controlRequest(control, 'POST', command), null, limits);
    return readAnswer(status, text);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'ETIMEDOUT' ? `it did not answer within ${TIMEOUT_MS / 1000} s` : message;
    return { kind: 'failed', message: `The supervisor cannot be told: ${reason}.` };
  }
}

function readAnswer(status: number, body: string): CommandResult {
  const said = messageIn(body);
  if (status >= 200 && status < 300) return { kind: 'accepted', message: said ?? 'Accepted.', ...leaseIn(body) };
  if (status === 404) return { kind: 'unknown', message: said ?? 'The supervisor knows no such worker or model.' };
  if (status === 409) return { kind: 'conflict', message: said ?? 'That cannot be done in the present state.' };
  return { kind: 'failed', message: said ?? `The supervisor answered with status ${status}.` };
}

function leaseIn(body: string): { readonly lease?: LeaseView } {
  try {
    const said: unknown = JSON.parse(body);
    const lease = typeof said === 'object' && said !== null && 'lease' in said ? readLease(said.lease) : null;
    return lease === null ? {} : { lease };
  } catch {
    return {};
  }
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

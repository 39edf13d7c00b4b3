import type { Call } from '../../core/call.ts';
import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Events } from '../../core/events.ts';
import type { Layer } from '../../core/handler.ts';
import { ANONYMOUS_NAME, type Limits, type Principal } from '../../core/principal.ts';
import type { Outcome, Reply } from '../../core/reply.ts';
import { limitHeaders, duration } from './limit-headers.ts';
import { isInVain, LimitLines } from './limit-line.ts';
import type { Limited, Limiter, Taking } from './limiter.ts';
import { type Estimate, TokenEstimates } from './token-estimate.ts';

interface LimitsContext {
  readonly clock: Clock;
  readonly events: Pick<Events, 'limited'>;
  readonly limiter: Limiter;
  /** null: nothing is limited. Asked for each call, so that what is set meanwhile holds. */
  readonly limitsOf: (principal: Principal) => Limited | null;
  /** Whether somebody's key has been taken out while his call waited. */
  readonly isGone: (principal: Principal) => boolean;
}

/** Limits as whoever knows the keys says. */
export function limitsBy(door: { limitsOf(principal: Principal): Limits | null }): (principal: Principal) => Limited | null {
  return (principal) => {
    const limits = door.limitsOf(principal);
    if (limits === null) return null;
    return principal.kind === 'key'
      ? { subject: `key ${principal.name}`, isAddress: false, name: principal.name, limits, patienceMs: principal.patienceMs }
      : { subject: `address ${principal.address}`, isAddress: true, name: ANONYMOUS_NAME, limits, patienceMs: 0 };
  };
}

type Refused = Extract<Taking, { kind: 'refused' }>;

/**
 * Holds keys and addresses to their limits. Tokens are taken before a call, by an estimate, and corrected at its end: charging afterwards
 * would let as many calls through at once as come at once. Whoever is over a limit is told when to come back; a key that is set to wait
 * does so here, and its calls are let in one after the other.
 */
export function limitLayer({ clock, events, limiter, limitsOf, isGone }: LimitsContext): Layer {
  const estimates = new TokenEstimates();
  const lines = new LimitLines(clock);

  /** When a key that is patient is let in, or how it was refused in the end. */
  async function takenInTime(call: Call, { subject, patienceMs }: Limited, take: () => Taking): Promise<Taking> {
    if (lines.has(subject)) return lines.wait(subject, call, 0, take, patienceMs);
    const taking = take();
    if (taking.kind === 'taken' || isInVain(taking, patienceMs)) return taking;
    return lines.wait(subject, call, taking.waitMs, take, patienceMs);
  }

  async function counted(next: (call: Call) => Promise<Reply>, call: Call, limited: Limited): Promise<Reply> {
    const { subject } = limited;
    const estimate = estimates.of(subject, call);
    const take = (): Taking => limiter.take(limited, estimate.prompt + estimate.answer, clock.now(), estimate.asked ?? 0);
    const taking = limited.patienceMs === 0 ? take() : await takenInTime(call, limited, take);
    call.journey.limitHeaders = limitHeaders(taking.standings);
    if (taking.kind === 'refused') {
      events.limited(call, limited.name, taking.limit);
      throw refusal(taking, limited, estimate);
    }
    const { hold } = taking;
    if (limited.patienceMs > 0 && isGone(call.principal)) {
      hold.settle(0, clock.now());
      lines.poke(subject);
      throw new GatewayError('invalid_api_key', `The key ${limited.name} was taken out while the request waited.`);
    }
    const settle = (outcome?: Outcome): void => {
      hold.settle(usedTokens(estimates, subject, call, estimate, outcome), clock.now());
      lines.poke(subject);
    };
    try {
      const reply = await next(call);
      reply.ended.onSettled(settle);
      return reply;
    } catch (error) {
      settle();
      throw error;
    }
  }

  return (next) =>
    function limitedCall(call) {
      const limited = limitsOf(call.principal);
      return limited === null ? next(call) : counted(next, call, limited);
    };
}

/**
 * What the worker counted; of a stream that was left, what came of it; of a call that got no answer, nothing. An answer that says nothing of
 * what it took (it is made in the background, say) took what was thought.
 */
function usedTokens(estimates: TokenEstimates, subject: string, call: Call, estimate: Estimate, outcome?: Outcome): number {
  const last = call.attempts.at(-1);
  if (last === undefined || call.route.stored) return 0;
  const { inputTokens, outputTokens, chunks } = last;
  const events = chunks * (call.peek.streamInterval ?? 1);
  if (inputTokens === null) {
    if (chunks > 0) return estimate.prompt + events;
    const isSilent = outcome?.kind === 'complete' && outcome.status === 200 && call.route.streamEnd !== 'end-of-body';
    return isSilent ? estimate.prompt + estimate.answer : 0;
  }
  estimates.learn(subject, call, inputTokens, outputTokens);
  return inputTokens + (outputTokens ?? events);
}

function refusal({ limit, waitMs }: Refused, { name, limits }: Limited, { prompt, answer, asked }: Estimate): GatewayError {
  const isNever = waitMs === Infinity;
  const again = isNever ? '' : ` Please try again in ${duration(waitMs)}.`;
  const details = isNever ? { hopeless: true, limit } : { retryAfterMs: waitMs, limit };
  switch (limit) {
    case 'requests':
      return new GatewayError(
        'rate_limited',
        isNever
          ? `${name} may send no requests (requests_per_minute: 0).`
          : `Rate limit reached for ${name} on requests per minute: limit ${limits.requests_per_minute}.${again}`,
        details,
      );
    case 'tokens': {
      const most = asked === null ? `about ${answer} for the answer, which max_tokens would say` : `at most ${answer} for the answer`;
      const needs = `${prompt + answer} (about ${prompt} for the prompt, ${most})`;
      return new GatewayError(
        'rate_limited',
        isNever
          ? limits.tokens_per_minute === 0
            ? `${name} may send no requests (tokens_per_minute: 0).`
            : `Request too large for ${name} on tokens per minute: limit ${limits.tokens_per_minute}, requested ${needs}. Send a shorter prompt, or ask for fewer tokens (max_tokens).`
          : `Rate limit reached for ${name} on tokens per minute: limit ${limits.tokens_per_minute}, requested ${needs}.${again}`,
        details,
      );
    }
    case 'concurrent':
      return new GatewayError(
        'rate_limited',
        isNever
          ? `${name} may send no requests (concurrent_requests: 0).`
          : `Rate limit reached for ${name} on concurrent requests: limit ${limits.concurrent_requests}. Please try again when one of them has ended.`,
        details,
      );
  }
}

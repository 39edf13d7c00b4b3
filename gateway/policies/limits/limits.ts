import type { Call, Priority } from '../../core/call.ts';
import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Events } from '../../core/events.ts';
import type { Layer } from '../../core/handler.ts';
import { ANONYMOUS_NAME, flowOf, type Limits, type Principal } from '../../core/principal.ts';
import type { Outcome, Reply } from '../../core/reply.ts';
import { limitHeaders } from './limit-headers.ts';
import { isInVain, LimitLines } from './limit-line.ts';
import { leavingRoom } from './leaving-room.ts';
import { limitRefusal, limitsUnknown } from './limit-refusal.ts';
import type { Limited, Taker, Taking } from './limiter.ts';
import { TokenEstimates } from './token-estimate.ts';
import { usedTokens } from './used-tokens.ts';

interface LimitsContext {
  readonly clock: Clock;
  readonly events: Pick<Events, 'limited'>;
  readonly limiter: Taker;
  /** null: nothing is limited. Asked for each call, so that what is set meanwhile holds. */
  readonly limitsOf: LimitsOf;
  /** Whether somebody's key has been taken out while his call waited. */
  readonly isGone: (principal: Principal) => boolean;
}

export type LimitsOf = (principal: Principal, priority: Priority) => Limited | null;

/**
 * Limits as whoever knows the keys says. Calls of the lower class leave some of them to the others of the same key or address; a key all of
 * whose calls are of it has no others.
 */
export function limitsBy(door: { limitsOf(principal: Principal): Limits | null }): LimitsOf {
  const all = limitedBy(door, (limits) => ({ limits }));
  const some = limitedBy(door, (limits) => ({ limits, held: leavingRoom(limits) }));
  return (principal, priority) => {
    const leaves = priority === 'batch' && !(principal.kind === 'key' && principal.isBatch);
    return leaves ? some(principal) : all(principal);
  };
}

function limitedBy(
  door: { limitsOf(principal: Principal): Limits | null },
  termsOf: (limits: Limits) => Pick<Limited, 'limits' | 'held'>,
): (principal: Principal) => Limited | null {
  // What is set for a key is set anew with another holder.
  const ofKeys = new WeakMap<Principal, Limited>();
  return (principal) => {
    const known = ofKeys.get(principal);
    if (known !== undefined) return known;
    const limits = door.limitsOf(principal);
    if (limits === null) return null;
    const subject = flowOf(principal);
    const terms = termsOf(limits);
    if (principal.kind !== 'key') return { subject, isAddress: true, name: ANONYMOUS_NAME, ...terms, patienceMs: 0 };
    const limited: Limited = { subject, isAddress: false, name: principal.name, ...terms, patienceMs: principal.patienceMs };
    ofKeys.set(principal, limited);
    return limited;
  };
}

/**
 * Holds keys and addresses to their limits. Tokens are taken before a call, by an estimate, and corrected at its end: charging afterwards
 * would let as many calls through at once as come at once. Whoever is over a limit is told when to come back; a key that is set to wait
 * does so here, and its calls are let in one after the other.
 */
export function limitLayer({ clock, events, limiter, limitsOf, isGone }: LimitsContext): Layer {
  const estimates = new TokenEstimates();
  const lines = new LimitLines(clock);

  /** When a key that is patient is let in, or how it was refused in the end. */
  async function takenInTime(call: Call, { subject, patienceMs }: Limited, take: () => Taking | Promise<Taking>): Promise<Taking> {
    if (lines.has(subject)) return lines.wait(subject, call, 0, take, patienceMs);
    const { pokes } = lines;
    const asked = take();
    const taking = asked instanceof Promise ? await asked : asked;
    if (taking.kind !== 'refused' || call.cancellation.cancelled || isInVain(taking, patienceMs)) return taking;
    // What was given back meanwhile may be enough.
    return lines.wait(subject, call, lines.pokes === pokes ? taking.waitMs : 0, take, patienceMs);
  }

  async function counted(next: (call: Call) => Promise<Reply>, call: Call, limited: Limited): Promise<Reply> {
    const { subject } = limited;
    const estimate = estimates.of(subject, call);
    const take = () => limiter.take(limited, estimate.prompt + estimate.answer, clock.now(), estimate.asked ?? 0);
    const asked = limited.patienceMs === 0 ? take() : takenInTime(call, limited, take);
    const taking = asked instanceof Promise ? await asked : asked;
    const { reason } = call.cancellation;
    if (reason !== undefined) {
      if (taking.kind === 'taken') taking.hold.settle(0, clock.now());
      lines.poke(subject);
      throw reason;
    }
    if (taking.kind === 'unknown') throw limitsUnknown(taking, limited);
    call.journey.limitHeaders = limitHeaders(taking.standings);
    if (taking.kind === 'refused') {
      events.limited(call, limited.name, taking.limit);
      throw limitRefusal(taking, limited, estimate);
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
      const limited = limitsOf(call.principal, call.priority);
      return limited === null ? next(call) : counted(next, call, limited);
    };
}

import { frozenFor, idleHung, stalled, unresponsive } from '../failure/failure.ts';
import type { Beat } from '../../gateway/vllm/beat.ts';
import type { Effect, Event, In, Life, Moment, Now, ProbeMiss, Pulse, Step } from './life.ts';
import { bury, drain, enter, heed, knowing, putDown, remain, REST, RESTART, stop, suspect, sweep, unchanged } from './moves.ts';
import { empty } from './sleeping.ts';
import type { SupervisionPolicy } from '../system/policy.ts';

const USUAL_FIRST_TOKENS = 8;
/** Tokens that did not come, before an engine that is out of service for the first of them is given up. */
const WITHHELD_TO_RESTART = 2;

/** In service, or out of it because its requests get nowhere. */
type Serving = In<'ready'> | In<'draining', { step: 'stalled' }>;

export function freshPulse({ nowMs }: Moment): Pulse {
  return {
    last: null,
    seenAtMs: nowMs,
    movedAtMs: nowMs,
    usedAtMs: nowMs,
    askedAtMs: nowMs,
    misses: 0,
    silences: 0,
    frozen: 0,
    tested: false,
    untestable: false,
    withheld: 0,
    cleared: 0,
  };
}

/** A worker that has been ready: what counts is that tokens come, not that its health check says 200. */
export function serving(now: Now, life: Serving, event: Event): Step {
  const { policy, machine, at } = now;
  switch (event.type) {
    case 'timer': {
      const tested = isTokenDue(life, policy, at);
      const pulse = { ...life.pulse, tested, askedAtMs: tested ? at.nowMs : life.pulse.askedAtMs };
      const { epoch } = machine;
      const look: Effect = tested
        ? { type: 'probe', epoch, depth: 'token', patienceMs: patienceMs(life, policy) }
        : { type: 'probe', epoch, depth: 'pulse' };
      return remain(now, { ...life, pulse }, [look]);
    }
    case 'probe_ok':
      return judgePulse(now, life, felt(life.pulse, event.beat, at), policy.healthIntervalMs);
    case 'probe_failed':
      return missed(now, life, event.miss, event.reason);
    case 'progress':
      if (event.told) return heed(now, life.process);
      // Its log has told of the end; the health check is asked before the process gets round to ending.
      return event.dying ? remain(now, life, [{ type: 'probe', epoch: machine.epoch, depth: 'pulse' }]) : unchanged(now);
    case 'exited':
      return bury(now, life.process, event.failure);
    case 'stop':
    case 'drain':
      return drain(now, life.process, REST);
    case 'restart':
      return drain(now, life.process, RESTART);
    case 'sleep':
      return drain(now, life.process, { kind: 'sleep' });
    default:
      return unchanged(now);
  }
}

/**
 * An engine that hangs with nothing in hand looks idle for ever: now and then while nobody asks for anything it is asked for a token. And
 * one whose clients have all left can look busy for ever, since vLLM's gauges move only with its steps, and its HTTP server may miscount
 * who left: before it is taken for stalled it is asked, too. A token withheld is asked for again every other time.
 */
function isTokenDue({ state, pulse }: Serving, policy: SupervisionPolicy, { nowMs }: Moment): boolean {
  const { silences, tested, withheld, movedAtMs, usedAtMs, askedAtMs, untestable } = pulse;
  // While it is silent a request more would only delay the judgement.
  if (silences > 0) return false;
  const again = withheld > 0 && !tested;
  if (state === 'draining' || isIdle(pulse))
    return again || (withheld === 0 && nowMs - Math.max(usedAtMs, askedAtMs) >= policy.idleProbeMs);
  // A look must have found it so.
  if (pulse.seenAtMs <= movedAtMs || nowMs - movedAtMs < doubtMs(pulse, policy)) return false;
  // One of which nothing short can be asked has shown that once.
  return again || (askedAtMs <= movedAtMs && !untestable);
}

/** Steps that usually take long are no reason to ask again and again. */
function doubtMs({ cleared }: Pulse, policy: SupervisionPolicy): number {
  return Math.min(policy.doubtMs * 2 ** cleared, policy.mostDoubtMs);
}

/** A call has waited for its first token for several times as long as calls usually do before anything follows from it. */
function patienceMs({ state, pulse }: Serving, policy: SupervisionPolicy): number {
  if (state === 'draining' || isIdle(pulse)) return policy.tokenTimeoutMs;
  const usualMs = pulse.last?.firstTokenMs ?? 0;
  return Math.min(Math.max(policy.doubtTokenMs, USUAL_FIRST_TOKENS * usualMs), policy.tokenTimeoutMs);
}

function isIdle(pulse: Pulse): boolean {
  return pulse.last === null || inHand(pulse.last, pulse) === 0;
}

/**
 * Requests that it works on or has not begun. An engine that hangs does not count those that come; its HTTP server does. Either may go on
 * counting some that have left: where no token can be asked for that would show it, only what both tell of is believed.
 */
function inHand({ running, waiting, load }: Beat, { untestable }: Pulse): number {
  const begun = running + waiting;
  if (load === undefined) return begun;
  return untestable ? Math.min(begun, load) : Math.max(begun, load);
}

function felt(pulse: Pulse, beat: Beat | null, { nowMs }: Moment): Pulse {
  const untestable = pulse.untestable || (pulse.tested && beat !== null);
  const withheld = pulse.tested && !untestable ? 0 : pulse.withheld;
  const heard = { ...pulse, untestable, misses: 0, silences: 0, frozen: 0, withheld, seenAtMs: nowMs };
  if (beat === null) return { ...heard, movedAtMs: nowMs, cleared: pulse.tested && !isIdle(pulse) ? pulse.cleared + 1 : pulse.cleared };
  // A long prompt is read in many steps, of which only the use of the cache tells.
  const worked = beat.tokens !== pulse.last?.tokens || beat.kvUsage !== pulse.last.kvUsage;
  const hasNothing = inHand(beat, heard) === 0 && withheld === 0;
  return {
    ...heard,
    last: beat,
    withheld: worked ? 0 : withheld,
    cleared: hasNothing ? 0 : pulse.cleared,
    // Clients that give up leave it idle for a moment: that is no sign of life, but no time of work either.
    movedAtMs: worked ? nowMs : hasNothing ? Math.min(nowMs, pulse.movedAtMs + nowMs - pulse.seenAtMs) : pulse.movedAtMs,
    usedAtMs: worked || !hasNothing ? nowMs : pulse.usedAtMs,
  };
}

function missed(now: Now, life: Serving, miss: ProbeMiss, reason: string): Step {
  const { policy } = now;
  const pulse = life.pulse.tested ? { ...life.pulse, withheld: life.pulse.withheld + 1 } : life.pulse;
  const wasStalled = life.state === 'draining';
  // One that hangs answers late, or not at all; one that refuses is ending already.
  const isSilent = miss === 'timed_out' || miss === 'frozen';
  const end = isSilent ? putDown : suspect;
  // Whatever is the matter with our requests, others are under way: what becomes of them decides.
  if (pulse.withheld >= policy.healthMisses) {
    const { last, movedAtMs, withheld } = pulse;
    const stuckMs = now.at.nowMs - movedAtMs;
    if (wasStalled && stuckMs >= policy.stallRestartMs) return end(now, life.process, stalled(stuckMs, last && inHand(last, pulse), true));
    if (!wasStalled && isIdle(pulse)) return end(now, life.process, idleHung(withheld, reason));
  }
  // Busy is not dead: only a silence that lasts counts, and only as a lack of progress. After a token that did not come its counters tell.
  const againMs = pulse.tested || miss === 'frozen' ? policy.probeIntervalMs : policy.healthIntervalMs;
  if (isSilent) {
    const frozen = miss === 'frozen' ? pulse.frozen + 1 : 0;
    return judgePulse(now, life, { ...pulse, silences: pulse.silences + 1, frozen }, againMs);
  }
  const misses = pulse.misses + 1;
  if (misses >= policy.healthMisses) return suspect(now, life.process, unresponsive(reason));
  return judgePulse(now, life, { ...pulse, misses }, policy.probeIntervalMs, end);
}

/** Goes on as before, leaves service or returns to it, or is given up. */
function judgePulse(now: Now, life: Serving, pulse: Pulse, againMs: number, end = putDown): Step {
  const { policy, machine, at } = now;
  const frozen = pulse.frozen >= policy.frozenProbes;
  const silent = frozen || pulse.silences >= policy.silentProbes;
  const requests = pulse.last && inHand(pulse.last, pulse);
  const working = silent || (pulse.silences === 0 && ((requests ?? 0) > 0 || pulse.withheld > 0));
  const stuckMs = working ? at.nowMs - pulse.movedAtMs : 0;
  const stuck = silent ? null : requests;
  const isProven = !silent && pulse.withheld > 0;
  const restartMs = frozen || (isProven && pulse.withheld >= WITHHELD_TO_RESTART) ? policy.stallRestartMs : policy.unprovenRestartMs;
  if (stuckMs >= restartMs) return end(now, life.process, (frozen ? frozenFor : stalled)(stuckMs, stuck, true));
  const afterMs = stuckMs > 0 ? Math.min(againMs, policy.stillIntervalMs) : againMs;
  const again = (epoch: number): Effect => ({ type: 'set_timer', timer: 'probe', epoch, afterMs });
  const wasStalled = life.state === 'draining';
  // A single time-out is no news, neither good nor bad; and that its clients have given up does not make it well.
  const isStalled =
    frozen ||
    stuckMs >= (isProven ? policy.stallRouteMs : policy.unprovenRouteMs) ||
    (wasStalled && (pulse.silences > 0 || pulse.withheld > 0));
  if (isStalled === wasStalled) return remain(now, { ...life, pulse }, [again(machine.epoch)]);
  const { process, sinceMs } = life;
  if (!isStalled) return enter(now, { state: 'ready', process, sinceMs, pulse }, (epoch) => [again(epoch)]);
  const failure = (frozen ? frozenFor : stalled)(stuckMs, stuck, false);
  const next: Life = { state: 'draining', step: 'stalled', process, sinceMs, pulse: { ...pulse, withheld: 1 } };
  return enter(now, next, (epoch) => [{ type: 'report_failure', failure, next: 'watch' }, again(epoch)], {
    history: { ...machine.history, lastFailure: failure },
  });
}

/** Out of service, so that nobody routes to a worker that is told to stop or to sleep. */
export function leaving(now: Now, life: In<'draining', { step: 'told' }>, event: Event): Step {
  switch (event.type) {
    case 'timer':
      if (life.then.kind === 'sleep') return empty(now, life.process);
      // One that somebody else has told had its time.
      return stop(now, life.process, life.then, life.then.kind === 'retry' ? now.policy.abandonGraceMs : now.policy.stopGraceMs);
    case 'stop':
      return remain(now, { ...life, then: REST });
    case 'restart':
      return remain(now, { ...life, then: RESTART });
    case 'exited':
      if (life.then.kind === 'retry') return sweep(now, life.then, life.process);
      return sweep(knowing(now, event.failure), life.then.kind === 'sleep' ? REST : life.then, life.process);
    default:
      return unchanged(now);
  }
}

import type { CallSeen, Span } from './call-seen.ts';

/** A request that a fault has met. Milliseconds by the clock of calls. */
export interface Strike {
  /** Its mark. */
  readonly id: string;
  readonly atMs: number;
}

/** What is known of a row once it is over. Moments in milliseconds by the clock of calls. */
export interface Facts {
  readonly calls: readonly CallSeen[];
  /** When the fault began, when what ended it was done, and when that was complete. */
  readonly struckMs: number;
  readonly healedMs: number;
  readonly soundMs: number;
  /** In their order. */
  readonly strikes: readonly Strike[];
  /** How often each mark was asked at the first worker, and at the second. */
  readonly asked: readonly [ReadonlyMap<string, number>, ReadonlyMap<string, number>];
  /** When the gateway left the first worker alone after the fault had begun: it was not ready, or its breaker was not closed. */
  readonly away: readonly Span[];
  /** When it let calls try whether that worker is well again. */
  readonly triesMs: readonly number[];
  /** Attempts of each call, as the log tells at its end. */
  readonly attempts: ReadonlyMap<string, number>;
}

/** What a row promises beside the law of calls. @returns what does not hold, in words; empty: all does */
export type Proof = (facts: Facts) => string[];

/** So many calls at least have to bear a promise out. */
const ENOUGH = 5;

/** Those that the fault has met and whose ends were seen: lines of batches are others'. In the order in which they were met, each once. */
function struckCalls({ calls, strikes }: Facts): CallSeen[] {
  const byId = new Map(calls.map((call) => [call.id, call]));
  return [...new Set(strikes.map(({ id }) => id))].flatMap((id) => byId.get(id) ?? []);
}

function saidOf({ id, stream, sentMs, endMs, ending, status, code }: CallSeen, { struckMs }: Facts): string {
  const [from, to] = [sentMs, endMs].map((ms) => Math.round(ms - struckMs));
  return `${id} (${stream ? 'a stream' : 'no stream'}, from ${from} to ${to} ms) was ${ending} (${status} ${code})`;
}

/** All of these are as they should be, and there are some. */
function all(facts: Facts, calls: readonly CallSeen[], who: string, isRight: (call: CallSeen) => boolean, least = 1): string[] {
  if (calls.length < least) return [`there were ${calls.length} ${who}, too few to tell anything`];
  return calls.filter((call) => !isRight(call)).map((call) => `of ${who} ${saidOf(call, facts)}`);
}

const isOk = ({ ending }: CallSeen): boolean => ending === 'ok';

/** Not one of these calls has been sent to workers more often than it may be tried. */
export function notDoubled(calls: readonly CallSeen[], [first, second]: Facts['asked']): string[] {
  return calls.flatMap(({ id }) => {
    const times = [first.get(id) ?? 0, second.get(id) ?? 0] as const;
    const [one, two] = times;
    return Math.max(...times) > MOST_AT_ONE || one + two > MOST_ATTEMPTS + 1
      ? [`${id} was sent ${one} times to the first worker and ${two} times to the second`]
      : [];
  });
}

/** As often as a gateway tries by itself, each time at another worker. */
const MOST_ATTEMPTS = 2;
/** A kept connection that is closed under a request says nothing of the worker: it is asked once more, on a fresh one. */
const MOST_AT_ONE = 2;

/** Lines of batches may come again: no client's call may. */
export const NOT_DOUBLED: Proof = ({ calls, asked }) => notDoubled(calls, asked);

/** Some call that the fault has met was answered by the other worker. */
export const GOES_ELSEWHERE: Proof = (facts) =>
  struckCalls(facts).some((call) => isOk(call) && facts.asked[1].has(call.id))
    ? []
    : ['no call that the fault met was answered by the other worker'];

/** None that the fault has met was sent to the other worker. */
export const STAYS: Proof = (facts) =>
  struckCalls(facts)
    .filter(({ id }) => facts.asked[1].has(id))
    .map((call) => `${saidOf(call, facts)} after it had been sent to the other worker too`);

export const STRUCK_STREAMS_OK: Proof = (facts) =>
  all(
    facts,
    struckCalls(facts).filter(({ stream }) => stream),
    'streams that the fault met',
    isOk,
  );

export const STRUCK_BODIES_OK: Proof = (facts) =>
  all(
    facts,
    struckCalls(facts).filter(({ stream }) => !stream),
    'calls without a stream that the fault met',
    isOk,
  );

/** Each ended with an error event, after some of its words. */
export const STRUCK_STREAMS_BROKEN: Proof = (facts) =>
  all(
    facts,
    struckCalls(facts).filter(({ stream }) => stream),
    'streams that the fault met',
    ({ ending, text }) => ending === 'broken' && text !== '',
  );

/** Each came whole, or ended with an error event. */
export const STRUCK_WHOLE_OR_BROKEN: Proof = (facts) =>
  all(facts, struckCalls(facts), 'calls that the fault met', ({ ending, stream }) => ending === 'ok' || (stream && ending === 'broken'));

/** Those that the fault did not meet are answered. */
export const OTHERS_OK: Proof = (facts) => {
  const struck = new Set(facts.strikes.map(({ id }) => id));
  return all(
    facts,
    facts.calls.filter(({ id, ending }) => !struck.has(id) && ending !== 'left'),
    'calls that the fault did not meet',
    isOk,
    ENOUGH,
  );
};

/** As long as the account for retries lasts, ten of them at least, calls are answered by the other worker; then they are told so. */
export function firstElsewhere(status: number): Proof {
  return (facts) => {
    const struck = struckCalls(facts);
    const [first, rest] = [struck.slice(0, RETRIES), struck.slice(RETRIES)];
    const refused = ({ ending, status: got }: CallSeen): boolean => ending === 'refused' && got === status;
    return [
      ...all(facts, first, `the first ${RETRIES} that the fault met`, isOk, RETRIES),
      ...all(facts, rest, 'the others that the fault met', (call) => isOk(call) || refused(call), 0),
      ...OTHERS_OK(facts),
      ...GOES_ELSEWHERE(facts),
    ];
  };
}

/** What the account for retries opens with, by contract. */
const RETRIES = 10;

/**
 * While the gateway leaves the worker alone, all calls are answered, but for those by which it tries whether the worker is well again: at most
 * one for each try.
 */
export const OK_ONCE_AWAY: Proof = (facts) => {
  const { calls, away, healedMs, triesMs } = facts;
  if (away.length === 0) return ['the worker was never left alone'];
  const isMeanwhile = (ms: number): boolean => ms < healedMs && away.some(([from, to]) => ms > from + LOG_MS && ms < to - LOG_MS);
  const since = calls.filter(({ sentMs }) => isMeanwhile(sentMs));
  if (since.length < ENOUGH) return [`only ${since.length} calls came while the worker was left alone`];
  const wrong = since.filter((call) => !isOk(call));
  const tries = triesMs.filter((ms) => ms >= away[0]![0] && ms <= healedMs).length;
  return wrong.length <= tries ? [] : wrong.map((call) => `while the worker was left alone (${tries} tries) ${saidOf(call, facts)}`);
};

/** The clock of the log is that of the wall, in whole milliseconds. */
const LOG_MS = 50;

/** All that are sent so long after the fault has begun, and before its end, are answered. */
export function okAfter(ms: number): Proof {
  return (facts) =>
    all(
      facts,
      facts.calls.filter(({ sentMs }) => sentMs >= facts.struckMs + ms && sentMs < facts.healedMs),
      `calls later than ${ms} ms`,
      isOk,
      ENOUGH,
    );
}

/** All are answered but streams that were under way when something was cut, at these moments. */
export function okBut(momentsMs: readonly number[]): Proof {
  const isCaught = ({ stream, sentMs, endMs }: CallSeen): boolean => stream && momentsMs.some((ms) => sentMs <= ms && endMs >= ms);
  return (facts) =>
    all(
      facts,
      facts.calls.filter((call) => !isCaught(call)),
      'calls that were not caught by it',
      isOk,
      ENOUGH,
    );
}

/** Some call was answered at its second attempt, as the log tells: the fault has met calls. */
export const RETRIED: Proof = ({ calls, attempts, struckMs }) =>
  calls.some((call) => isOk(call) && call.endMs >= struckMs && (attempts.get(call.id) ?? 1) > 1)
    ? []
    : ['no call was answered at a second attempt'];

/** The gateway has left the worker alone, or has asked another for it. */
export const NOTICED: Proof = (facts) =>
  facts.away.length > 0 || RETRIED(facts).length === 0 ? [] : ['nothing shows that the gateway has met the fault'];

/** A worker that asked for rest was left alone for about so long, while calls went on. */
export function leftAloneFor(ms: number): Proof {
  return ({ calls, strikes, healedMs }) => {
    const moments = [...strikes.map(({ atMs }) => atMs), healedMs];
    const hasRest = moments.some((to, at) => {
      const from = moments[at - 1];
      if (from === undefined || to - from < ms) return false;
      const meanwhile = calls.filter(({ sentMs }) => sentMs > from && sentMs < to);
      return meanwhile.length >= ENOUGH && meanwhile.every(isOk);
    });
    return hasRest ? [] : [`the worker was never left alone for ${ms} ms`];
  };
}

/** Refusals with this reason, so many at least. */
export function refusedFor(reason: string, least = 1): Proof {
  return ({ calls }) => {
    const count = calls.filter((call) => call.ending === 'refused' && call.reason === reason).length;
    return count >= least ? [] : [`${count} calls were refused for ${reason}, not ${least}`];
  };
}

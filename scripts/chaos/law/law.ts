import { type CallSeen, isWithin, type Span } from './call-seen.ts';
import { answerOf } from './mark.ts';

/** What a fault may cost, as a row of the table says. */
export interface Terms {
  /** The longest that a client may wait for the end of its call, whatever happens. */
  readonly limitMs: number;
  /** Statuses of errors that may be seen. */
  readonly statuses: readonly number[];
  /** When the gateway itself was dead: calls that it had then may end without a word, and may be missing in its log. */
  readonly killed: readonly Span[];
  /** When nobody listened, or no file was left for a connection: then clients may be refused by the system. */
  readonly refusing: readonly Span[];
  /** When words may have been spoilt on the way; they must still be nobody else's. */
  readonly spoilt: readonly Span[];
  /** What the whole answer to a call is; otherwise its mark over and over. */
  readonly expected?: (call: CallSeen) => string | null;
}

/** A gateway gathers lines of its log for a moment: the last of them die with it. */
const UNWRITTEN_MS = 1_000;
/** Statuses that say when to come back. */
const COME_BACK = [429, 503];

/** What breaks the law of calls, in words; empty: nothing does. `ended`: how often the log tells the end of each, by its id. */
export function breaches(calls: readonly CallSeen[], ended: ReadonlyMap<string, number>, terms: Terms): string[] {
  return calls.flatMap((call) => [...ofEnding(call, terms), ...ofWords(call, terms), ...ofLog(call, ended.get(call.id) ?? 0, terms)]);
}

function ofEnding(call: CallSeen, { limitMs, statuses, killed, refusing, spoilt }: Terms): string[] {
  const found: string[] = [];
  const tell = (text: string): void => void found.push(`${call.id} ${text}`);
  const ms = call.endMs - call.sentMs;
  if (call.ending === 'late') tell(`had not ended after ${Math.round(ms)} ms`);
  else if (ms > limitMs && call.ending !== 'left') tell(`took ${Math.round(ms)} ms of ${limitMs}`);
  const mayBeCut = isWithin(call, killed) || (call.status === 0 && isWithin(call, refusing));
  if (call.ending === 'cut' && !mayBeCut) tell(`was cut without a word (${call.code})`);
  const isSpoilt = isWithin(call, spoilt);
  if (call.ending === 'nonsense' && !isSpoilt) tell(`was answered with what is no answer (${call.status}: ${call.code})`);
  if (call.garbage > 0 && !isSpoilt) tell(`was sent ${call.garbage} events that are no JSON`);
  if (call.ending === 'refused' && !statuses.includes(call.status)) tell(`was answered ${call.status} ${call.code}`);
  const isTimed = call.retryAfter !== null && /^[1-9]\d?$/.test(call.retryAfter);
  if (call.ending === 'refused' && COME_BACK.includes(call.status) && !isTimed)
    tell(`was answered ${call.status} with Retry-After ${call.retryAfter ?? 'missing'}`);
  if (call.stream && call.status === 200 && (call.ending === 'ok' || call.ending === 'broken') && call.ends !== 1)
    tell(`was told its end ${call.ends} times`);
  if (call.surplus > 0) tell(`was told ${call.surplus} events after its end`);
  return found;
}

function ofWords(call: CallSeen, { spoilt, expected }: Terms): string[] {
  if (call.status !== 200) return [];
  const whole = expected ? expected(call) : answerOf(call.mark);
  if (whole === null) return [];
  if (isWithin(call, spoilt)) {
    const strangers = [...call.text.matchAll(/\b([a-z]+\d*-\d+)\.\d+ /g)].filter(([, id]) => id !== call.mark.id);
    return strangers.length === 0 ? [] : [`${call.id} was given words of ${strangers[0]![1]}`];
  }
  if (call.ending === 'ok' && call.text !== whole) return [`${call.id} was given another answer: ${difference(call.text, whole)}`];
  if (call.ending !== 'ok' && !whole.startsWith(call.text))
    return [`${call.id} was given the beginning of another answer: ${difference(call.text, whole)}`];
  return [];
}

/** A call that its client saw end has one end in the log; one that never reached the gateway may have none. */
function ofLog(call: CallSeen, ends: number, { killed }: Terms): string[] {
  const { id, ending, status } = call;
  if (ends > 1) return [`${id} ends ${ends} times in the log`];
  const dead = killed.map(([from, to]): Span => [from - UNWRITTEN_MS, to]);
  if (ends === 1 || isWithin(call, dead) || ending === 'late') return [];
  // Who left early, or was refused before it was read, may not have been known as a call.
  return ending === 'left' || ending === 'cut' || (ending === 'refused' && [400, 408, 413, 431].includes(status))
    ? []
    : [`${id} never ends in the log`];
}

function difference(text: string, whole: string): string {
  let at = 0;
  while (at < text.length && text[at] === whole[at]) at++;
  return `at ${at} ${JSON.stringify(text.slice(at, at + 40))} instead of ${JSON.stringify(whole.slice(at, at + 40))}`;
}

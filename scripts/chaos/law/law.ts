import type { CallSeen } from './call-seen.ts';
import { answerOf } from './mark.ts';

/** What a fault may cost, as a row of the table says. */
export interface Terms {
  /** The longest that a client may wait for the end of its call, whatever happens. */
  readonly limitMs: number;
  /** Statuses of errors that may be seen. */
  readonly statuses: readonly number[];
  /** The gateway itself was killed: calls that it had may end without a word, and may be missing in its log. */
  readonly isKilled: boolean;
  /** Nobody listens for a while, or no file is left for a connection: then clients may be refused by the system. */
  readonly mayRefuse: boolean;
  /** Words may have been spoilt on the way; they must still be nobody else's. */
  readonly isSpoilt: boolean;
  /** What the whole answer to a call is; otherwise its mark over and over. */
  readonly expected?: (call: CallSeen) => string | null;
}

/** What breaks the law of calls, in words; empty: nothing does. `ended`: how often the log tells the end of each, by its id. */
export function breaches(calls: readonly CallSeen[], ended: ReadonlyMap<string, number>, terms: Terms): string[] {
  return calls.flatMap((call) => [...ofEnding(call, terms), ...ofWords(call, terms), ...ofLog(call, ended.get(call.id) ?? 0, terms)]);
}

function ofEnding(call: CallSeen, { limitMs, statuses, isKilled, mayRefuse }: Terms): string[] {
  const found: string[] = [];
  const tell = (text: string): void => void found.push(`${call.id} ${text}`);
  const ms = call.endMs - call.sentMs;
  if (call.ending === 'late') tell(`had not ended after ${Math.round(ms)} ms`);
  else if (ms > limitMs && call.ending !== 'left') tell(`took ${Math.round(ms)} ms of ${limitMs}`);
  if (call.ending === 'cut' && !isKilled && !(mayRefuse && call.status === 0)) tell(`was cut without a word (${call.code})`);
  if (call.ending === 'nonsense') tell(`was answered with what is no answer (${call.status}: ${call.code})`);
  if (call.ending === 'refused' && !statuses.includes(call.status)) tell(`was answered ${call.status} ${call.code}`);
  if (call.stream && call.status === 200 && (call.ending === 'ok' || call.ending === 'broken') && call.ends !== 1)
    tell(`was told its end ${call.ends} times`);
  if (call.surplus > 0) tell(`was told ${call.surplus} events after its end`);
  return found;
}

function ofWords(call: CallSeen, { isSpoilt, expected }: Terms): string[] {
  if (call.status !== 200) return [];
  const whole = expected ? expected(call) : answerOf(call.mark);
  if (whole === null) return [];
  if (isSpoilt) {
    const strangers = [...call.text.matchAll(/\b([a-z]+\d*-\d+)\.\d+ /g)].filter(([, id]) => id !== call.mark.id);
    return strangers.length === 0 ? [] : [`${call.id} was given words of ${strangers[0]![1]}`];
  }
  if (call.ending === 'ok' && call.text !== whole) return [`${call.id} was given another answer: ${difference(call.text, whole)}`];
  if (call.ending !== 'ok' && !whole.startsWith(call.text))
    return [`${call.id} was given the beginning of another answer: ${difference(call.text, whole)}`];
  return [];
}

/** A call that its client saw end has one end in the log; one that never reached the gateway may have none. */
function ofLog({ id, ending, status }: CallSeen, ends: number, { isKilled }: Terms): string[] {
  if (ends > 1) return [`${id} ends ${ends} times in the log`];
  if (ends === 1 || isKilled || ending === 'late') return [];
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

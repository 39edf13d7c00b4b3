import { isDeepStrictEqual } from 'node:util';
import type { Call } from '../../core/call.ts';
import { answerKey, type Scope, whose } from './answer-key.ts';
import type { Flight } from './flight.ts';

/** One of the calls that are under way. */
export interface Entry {
  readonly sign: number;
  readonly flight: Flight;
  /** What its request has in common with those that may be given the same answer; undefined: nobody had to know yet. */
  key: string | null | undefined;
  /** The next one in its place. */
  next: Entry | null;
}

/** A power of two. */
const PLACES = 1_024;

/**
 * The calls that are under way and may be joined. What a request asks is looked into only where another of the same size, with the same
 * beginning, is under way: nearly always there is none.
 */
export class Flights {
  readonly #scope: () => Scope;
  /**
   * By sign, less what is beyond their number. No Map: one that is filled and emptied all the time leaves a chain of old tables behind, by
   * which all that was ever in it outlives the young generation (V8; a third of the CPU time of an embedding).
   */
  readonly #places: (Entry | null)[] = Array.from({ length: PLACES }, () => null);
  #size = 0;

  constructor(scope: () => Scope) {
    this.#scope = scope;
  }

  get size(): number {
    return this.#size;
  }

  /** One that asks the same as this call and is not of a lower class; null where there is none. */
  find(call: Call, sign: number): Flight | null {
    let own: string | null | undefined;
    for (let entry = this.#places[sign & (PLACES - 1)] ?? null; entry !== null; entry = entry.next) {
      const { flight } = entry;
      if (entry.sign !== sign || !isLike(flight.call, call) || !flight.isOpen) continue;
      const scope = this.#scope();
      if (whose(flight.call, scope) !== whose(call, scope)) continue;
      own ??= answerKey(call, scope);
      if (own === null) return null;
      entry.key ??= answerKey(flight.call, scope);
      if (entry.key === own) return flight;
    }
    return null;
  }

  add(flight: Flight, sign: number): Entry {
    const place = sign & (PLACES - 1);
    const entry: Entry = { sign, flight, key: undefined, next: this.#places[place]! };
    this.#places[place] = entry;
    this.#size++;
    return entry;
  }

  /** Once for each. */
  remove(entry: Entry): void {
    this.#size--;
    const place = entry.sign & (PLACES - 1);
    const first = this.#places[place]!;
    if (first === entry) {
      this.#places[place] = entry.next;
      return;
    }
    let before = first;
    while (before.next !== entry) before = before.next!;
    before.next = entry.next;
  }
}

/** The same for all calls that ask the same, and for few others. Pure. */
export function signOf({ peek, model }: Call): number {
  const { stream, maxTokens, decidingChars, promptHead } = peek;
  let sign = ((decidingChars ?? 0) * 31 + (maxTokens ?? 0)) * 31 + model.length * 2 + Number(stream);
  for (let i = 0; i < promptHead.length; i++) sign = (Math.imul(sign, 31) + promptHead.charCodeAt(i)) | 0;
  return sign | 0;
}

/** What can be told without looking into their bodies. Who has time may be answered with what another is in a hurry for, but not the other way round. */
function isLike(one: Call, other: Call): boolean {
  return (
    one.model === other.model &&
    one.route === other.route &&
    one.peek.stream === other.peek.stream &&
    one.peek.maxTokens === other.peek.maxTokens &&
    one.peek.decidingChars === other.peek.decidingChars &&
    // What may fall back gives others an answer that they may not be open to.
    (one.fallbacks === other.fallbacks || isDeepStrictEqual(one.fallbacks, other.fallbacks)) &&
    (one.priority === 'interactive' || other.priority === 'batch')
  );
}

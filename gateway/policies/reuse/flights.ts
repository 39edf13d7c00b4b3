import type { Call } from '../../core/call.ts';
import { answerKey, type Scope, whose } from './answer-key.ts';
import type { Flight } from './flight.ts';

interface Entry {
  readonly flight: Flight;
  readonly call: Call;
  /** What its request has in common with those that may be given the same answer; undefined: nobody had to know yet. */
  key: string | null | undefined;
}

/**
 * The calls that are under way and may be joined. What a request asks is looked into only where another of the same size, with the same
 * beginning, is under way: nearly always there is none.
 */
export class Flights {
  readonly #scope: () => Scope;
  readonly #entries = new Map<string, Entry[]>();

  constructor(scope: () => Scope) {
    this.#scope = scope;
  }

  get size(): number {
    let size = 0;
    for (const entries of this.#entries.values()) size += entries.length;
    return size;
  }

  /** One that asks the same as this call and is not of a lower class; null where there is none. */
  find(call: Call): Flight | null {
    const entries = this.#entries.get(this.#sign(call));
    if (entries === undefined) return null;
    const scope = this.#scope();
    let own: string | null | undefined;
    for (const entry of entries) {
      if (!entry.flight.isOpen || (entry.call.priority === 'batch' && call.priority !== 'batch')) continue;
      own ??= answerKey(call, scope);
      if (entry.key === undefined) entry.key = answerKey(entry.call, scope);
      if (own !== null && entry.key === own) return entry.flight;
    }
    return null;
  }

  /** @returns what takes it out again, once */
  add(call: Call, flight: Flight): () => void {
    const sign = this.#sign(call);
    const entries = this.#entries.get(sign);
    const entry: Entry = { flight, call, key: undefined };
    if (entries) entries.push(entry);
    else this.#entries.set(sign, [entry]);
    return () => this.#remove(sign, entry);
  }

  #remove(sign: string, entry: Entry): void {
    const entries = this.#entries.get(sign);
    const at = entries?.indexOf(entry) ?? -1;
    if (at < 0) return;
    if (entries!.length === 1) this.#entries.delete(sign);
    else entries!.splice(at, 1);
  }

  /** The same for all calls that ask the same, and for few others. */
  #sign(call: Call): string {
    const { peek, route, model } = call;
    const { stream, maxTokens, decidingChars, promptHead } = peek;
    return `${whose(call, this.#scope())}\n${route.path}\n${model}\n${stream} ${maxTokens} ${decidingChars}\n${promptHead}`;
  }
}

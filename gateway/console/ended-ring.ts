import type { Call } from '../core/call.ts';
import type { Outcome } from '../core/reply.ts';
import type { CallEnd, CallTraces, EndedCall } from './call-facts.ts';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** A call that has ended, by reference to what was written of it anyway. */
export interface Slot extends Writable<CallTraces & CallEnd> {
  number: number;
  /** As it is shown; null: nobody has looked since it ended. */
  shown: EndedCall | null;
}

/**
 * The last calls that have ended. A call costs a dozen writes into a place that is there already: what is shown of it is made when somebody
 * looks. Not the call itself is kept, which would keep its body and its client's connection with it.
 */
export class EndedRing {
  readonly #slots: Slot[] = [];
  readonly #size: number;
  #next = 0;

  constructor(size: number) {
    this.#size = size;
  }

  /** @param now monotonic ms @param number among all that have ended in this process */
  add(call: Call, outcome: Outcome, status: number, now: number, number: number): void {
    const place = this.#next;
    this.#next = (place + 1) % this.#size;
    const reason = 'error' in outcome ? outcome.error.reason : null;
    const slot = this.#slots[place];
    if (slot === undefined) {
      const { id, route, model, principal, priority, isLine, arrivedAt, journey, attempts, peek } = call;
      this.#slots[place] = {
        ...{ id, route, model, principal, priority, isLine, arrivedAt, journey, attempts, stream: peek.stream },
        ...{ kind: outcome.kind, reason, status, endedAt: now, number, shown: null },
      };
      return;
    }
    slot.id = call.id;
    slot.route = call.route;
    slot.model = call.model;
    slot.principal = call.principal;
    slot.priority = call.priority;
    slot.isLine = call.isLine;
    slot.arrivedAt = call.arrivedAt;
    slot.journey = call.journey;
    slot.attempts = call.attempts;
    slot.stream = call.peek.stream;
    slot.kind = outcome.kind;
    slot.reason = reason;
    slot.status = status;
    slot.endedAt = now;
    slot.number = number;
    slot.shown = null;
  }

  /** Oldest first. @param most how many at most */
  last(most: number): Slot[] {
    return [...this.#slots.slice(this.#next), ...this.#slots.slice(0, this.#next)].slice(-most);
  }
}

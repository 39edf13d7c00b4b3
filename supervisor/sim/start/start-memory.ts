import type { Card } from '../card/card.ts';
import { isMemoryFailure } from '../card/memory-plan.ts';
import type { Demand, Grant, KvFit, MemoryPhase } from '../card/memory-plan.ts';
import type { MemoryFailure } from '../card/memory-failure.ts';
import type { MemoryPlan } from '../card/memory.ts';

/** A start that has not got the memory it needs. */
export class OutOfMemory extends Error {
  readonly failure: MemoryFailure;

  constructor(failure: MemoryFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** The memory of a start: takes what `demands` asks for from `card`, one phase after the other, as the start comes to it. */
export class StartMemory {
  readonly card: Card;
  readonly #demands: Generator<Demand, MemoryPlan | MemoryFailure, Grant>;
  #next: IteratorResult<Demand, MemoryPlan | MemoryFailure>;
  #heldGib = 0;

  constructor(card: Card, demands: Generator<Demand, MemoryPlan | MemoryFailure, Grant>) {
    this.card = card;
    this.#demands = demands;
    this.#next = demands.next();
  }

  /** What the KV cache came to, once profiling is over. */
  get kv(): KvFit {
    const kv = this.#next.done === true ? undefined : this.#next.value.kv;
    if (kv === undefined) throw new Error('the KV cache has no size yet');
    return kv;
  }

  /** Where the memory went, when every phase is over. */
  get plan(): MemoryPlan {
    if (this.#next.done !== true || isMemoryFailure(this.#next.value)) throw new Error('the start is not over');
    return this.#next.value;
  }

  /** Takes a share, 0..1, of what the phase adds; with all of it the phase is over. Rejects with OutOfMemory. */
  async take(phase: MemoryPhase, share = 1): Promise<void> {
    if (this.#next.done === true || this.#next.value.phase !== phase) throw new Error(`it is not time for ${phase}`);
    const wholeGib = this.#next.value.holdGib;
    const holdGib = this.#heldGib + (wholeGib - this.#heldGib) * share;
    const grant = await this.card.hold(holdGib);
    if (grant.granted && share < 1) return;
    if (grant.granted) this.#heldGib = wholeGib;
    this.#next = this.#demands.next(grant);
    if (this.#next.done === true && isMemoryFailure(this.#next.value)) throw new OutOfMemory(this.#next.value);
  }
}

import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Worker } from '../../core/worker.ts';
import { adapterOf } from '../../engines/adapters.ts';
import { sightOfFailure } from '../../vllm/sight.ts';
import type { Held, InHand } from './in-hand.ts';

/** A worker that ends in order says something to its callers until it is done. */
const SILENCE_MS = 2_000;
const ASK_MS = 1_000;

/**
 * Ends calls whose worker is gone without a word. A vLLM that is told to stop may close its port, end its engine and keep its callers'
 * connections open for ever: nothing comes on them, not even their end. So where a worker that is not ready has said nothing to any of its
 * callers for two seconds it is asked whether it takes connections, and if it refuses one those who wait in silence have lost it.
 */
export class SilencedCalls {
  readonly #inHand: InHand;
  readonly #clock: Clock;
  readonly #asking = new Set<string>();

  constructor(inHand: InHand, clock: Clock) {
    this.#inHand = inHand;
    this.#clock = clock;
  }

  /** Now and then. Cheap while every worker is ready. */
  look(): void {
    for (const id of this.#inHand.keys()) {
      const worker = this.#silentWorker(id);
      if (worker !== null && !this.#asking.has(id)) void this.#ask(worker);
    }
  }

  async #ask(worker: Worker): Promise<void> {
    this.#asking.add(worker.id);
    try {
      await worker.transport.get(adapterOf(worker.view).health.path, ASK_MS);
    } catch (error) {
      if (sightOfFailure(error) === 'refused' && this.#silentWorker(worker.id) === worker) this.#end(worker);
    } finally {
      this.#asking.delete(worker.id);
    }
  }

  #end(worker: Worker): void {
    const now = this.#clock.now();
    for (const held of this.#inHand.of(worker.id)) {
      if (held.worker === worker && now - soundOf(held) >= SILENCE_MS) held.underway?.lose(silenced());
    }
  }

  /** A worker that is not ready, has calls, and has said nothing to any of them: one that finishes its work first says so to some of them. */
  #silentWorker(id: string): Worker | null {
    let last = -Infinity;
    let oldest = Infinity;
    let silent: Worker | null = null;
    for (const held of this.#inHand.of(id)) {
      if (held.worker.life !== null) return null;
      silent = held.worker;
      last = Math.max(last, held.attempt.heardAt);
      oldest = Math.min(oldest, soundOf(held));
    }
    const now = this.#clock.now();
    return now - last >= SILENCE_MS && now - oldest >= SILENCE_MS ? silent : null;
  }
}

/** When the worker of a call last said something to it, or was given it; Infinity while it is still to be given it. */
function soundOf({ attempt }: Held): number {
  return Math.max(attempt.heardAt, attempt.sentAt ?? Infinity);
}

function silenced(): GatewayError {
  const message = 'The worker was stopped: it takes no connections any more, and says nothing to those it has.';
  return new GatewayError('upstream_disconnected', message);
}

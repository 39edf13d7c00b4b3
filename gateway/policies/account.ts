import type { Layer } from '../core/handler.ts';
import type { Events } from '../core/events.ts';

/** Calls that have not ended yet, for gauges and for draining. */
export class InFlight {
  readonly #idle = new Set<() => void>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  enter(): void {
    this.#count++;
  }

  leave(): void {
    this.#count--;
    if (this.#count > 0) return;
    for (const resolve of this.#idle) resolve();
    this.#idle.clear();
  }

  /** Resolves when nothing is in flight. */
  idle(): Promise<void> {
    return this.#count === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.add(resolve));
  }
}

/** Opens a call's books when it comes and closes them at its last byte: the end of a request is the end of its body. */
export function account(inFlight: InFlight, events: Events): Layer {
  return (next) =>
    async function accounted(call) {
      inFlight.enter();
      events.requestStarted(call);
      const reply = await next(call);
      reply.ended.onSettled((outcome) => {
        call.journey.phase = 'done';
        inFlight.leave();
        events.requestEnded(call, outcome, outcome.kind === 'disconnected' ? 499 : reply.status);
      });
      return reply;
    };
}

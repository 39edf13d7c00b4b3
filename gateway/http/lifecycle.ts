import type { Call } from '../core/call.ts';
import { sleep, type Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { Events } from '../core/events.ts';
import type { InFlight } from '../policies/account.ts';
import type { BatchWindows } from '../policies/window/batch-window.ts';

/** serving · settling: readiness is down, requests are still taken · refusing: no new ones */
export type Stage = 'serving' | 'settling' | 'refusing';

interface DrainContext {
  readonly clock: Clock;
  readonly events: Events;
  readonly inFlight: InFlight;
  readonly windows: BatchWindows;
  readonly live: Iterable<{ readonly call: Call }>;
  readonly settings: { readonly settle_ms: number; readonly grace_ms: number };
  /** Whether to wait for load balancers to notice. */
  readonly settle: boolean;
  /** Resolves when the other processes of this gateway have no calls any more either. Absent: it is alone. */
  readonly othersIdle?: (() => Promise<void>) | undefined;
  /** Resolves when whoever had connected before has been heard. */
  readonly takeIn: () => Promise<void>;
  /** Frees listeners, connections and timers. */
  readonly free: () => Promise<void>;
}

/** How long the last error events may take to reach clients whose streams were cut. */
const LAST_WORDS_MS = 1_000;

/**
 * From serving to gone: stop taking, finish what flows, then go, in that order and with a deadline. Until the end every request is answered,
 * be it by a refusal: idle connections are left open, since a request may be on its way in any of them (and Node takes one for idle on which
 * nothing has come yet).
 */
export class Lifecycle {
  stage: Stage = 'serving';
  #drained: Promise<void> | null = null;

  drain(context: DrainContext): Promise<void> {
    this.#drained ??= this.#run(context);
    return this.#drained;
  }

  async #run(context: DrainContext): Promise<void> {
    const { clock, events, inFlight, windows, live, settings, settle, takeIn, free, othersIdle } = context;
    const startedAt = clock.now();
    const elapsed = (): number => clock.now() - startedAt;

    this.stage = 'settling';
    events.draining('begin', inFlight.count, 0);
    if (settle) await sleep(clock, settings.settle_ms);
    await takeIn();

    this.stage = 'refusing';
    events.draining('refusing', inFlight.count, elapsed());
    windows.drain();
    await Promise.race([othersIdle ? inFlight.idle().then(othersIdle) : inFlight.idle(), sleep(clock, settings.grace_ms)]);

    if (inFlight.count > 0) {
      events.draining('cutting', inFlight.count, elapsed());
      const reason = new GatewayError('draining', 'The gateway is shutting down and the request did not end in time.');
      for (const { call } of live) call.cancellation.cancel(reason);
      await Promise.race([inFlight.idle(), sleep(clock, LAST_WORDS_MS)]);
    }
    await takeIn();
    events.draining('end', inFlight.count, elapsed());
    await free();
  }
}

import { type Call, noteWait } from '../../core/call.ts';
import type { Layer } from '../../core/handler.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import type { GatewayError } from '../../core/errors.ts';
import type { Events } from '../../core/events.ts';
import { guard, newGuard, type GuardrailSettings, type GuardState } from './guardrail.ts';

export interface WindowSettings {
  readonly window_ms: number;
  readonly max_batch_size: number;
  readonly guardrail: GuardrailSettings;
}

interface Held {
  readonly enteredAt: number;
  release(): void;
}

/**
 * Holds the calls of one model for up to a window, so that a burst leaves together. The window opens with the first call and closes when
 * its time is over, when the batch is full, or on drain. A call that is cancelled leaves no trace.
 */
export class Window {
  readonly #clock: Clock;
  readonly #held = new Set<Held>();
  readonly #onLeft: (waitedMs: number[]) => void;
  #timer: Timer | null = null;

  constructor(clock: Clock, onLeft: (waitedMs: number[]) => void) {
    this.#clock = clock;
    this.#onLeft = onLeft;
  }

  get pending(): number {
    return this.#held.size;
  }

  /** Resolves when the batch leaves. @throws the reason of the call's cancellation */
  hold(call: Call, widthMs: number, maxBatch: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const held: Held = {
        enteredAt: this.#clock.now(),
        release: () => {
          offCancel();
          resolve();
        },
      };
      const offCancel = call.cancellation.onCancel((reason: GatewayError) => {
        this.#held.delete(held);
        if (this.#held.size === 0) this.#close();
        reject(reason);
      });
      if (call.cancellation.cancelled) return;
      this.#held.add(held);
      if (this.#held.size >= maxBatch) this.flush();
      else this.#timer ??= this.#clock.after(widthMs, () => this.flush());
    });
  }

  /** Lets everything go, together. */
  flush(): void {
    this.#close();
    if (this.#held.size === 0) return;
    const leaving = [...this.#held];
    this.#held.clear();
    const now = this.#clock.now();
    this.#onLeft(leaving.map((held) => now - held.enteredAt));
    for (const held of leaving) held.release();
  }

  #close(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}

/** One model's window and what its guardrail makes of it. */
interface Lane {
  readonly window: Window;
  guard: GuardState;
}

const GUARD_INTERVAL_MS = 5_000;

/** The windows of all models. Nothing is created for a model while the window is 0. */
export class BatchWindows {
  readonly #clock: Clock;
  readonly #events: Events;
  readonly #settings: () => WindowSettings;
  readonly #lanes = new Map<string, Lane>();
  #draining = false;
  requests = 0;
  batches = 0;

  constructor(clock: Clock, events: Events, settings: () => WindowSettings) {
    this.#clock = clock;
    this.#events = events;
    this.#settings = settings;
  }

  /** The width in force, by model. */
  widths(): Map<string, number> {
    return new Map([...this.#lanes].map(([model, lane]) => [model, lane.guard.widthMs]));
  }

  get pending(): number {
    let pending = 0;
    for (const lane of this.#lanes.values()) pending += lane.window.pending;
    return pending;
  }

  /** From now on nothing is held. */
  drain(): void {
    this.#draining = true;
    for (const lane of this.#lanes.values()) lane.window.flush();
  }

  /** Takes new settings: what is held leaves, and lanes start anew. */
  reset(): void {
    for (const lane of this.#lanes.values()) lane.window.flush();
    this.#lanes.clear();
  }

  layer(): Layer {
    if (this.#settings().window_ms === 0) return (next) => next;
    return (next) => async (call) => {
      const settings = this.#settings();
      const lane = this.#lane(call.model, settings);
      if (!this.#draining && lane.guard.widthMs > 0) {
        const startedAt = this.#clock.now();
        call.journey.phase = 'window';
        try {
          await lane.window.hold(call, lane.guard.widthMs, settings.max_batch_size);
        } finally {
          noteWait(call, 'window', startedAt, this.#clock.now());
        }
      }
      const reply = await next(call);
      if (settings.guardrail.enabled) this.#guard(call, lane, settings);
      return reply;
    };
  }

  #lane(model: string, settings: WindowSettings): Lane {
    let lane = this.#lanes.get(model);
    if (!lane) {
      const window = new Window(this.#clock, (waitedMs) => {
        this.requests += waitedMs.length;
        this.batches++;
        this.#events.batchLeft(model, waitedMs.length, waitedMs);
      });
      lane = { window, guard: newGuard(settings.window_ms, this.#clock.now()) };
      this.#lanes.set(model, lane);
    }
    return lane;
  }

  #guard({ model, arrivedAt }: Call, lane: Lane, settings: WindowSettings): void {
    const now = this.#clock.now();
    // The window delays the first byte of an answer, so that is what its SLO is held against.
    lane.guard.samples.push({ atMs: now, latencyMs: now - arrivedAt });
    if (now - lane.guard.checkedAtMs < GUARD_INTERVAL_MS) return;
    const before = lane.guard.widthMs;
    const p95Ms = guard(lane.guard, settings.window_ms, settings.guardrail.p95_slo_ms, now);
    if (lane.guard.widthMs !== before) this.#events.windowChanged(model, before, lane.guard.widthMs, p95Ms, settings.guardrail.p95_slo_ms);
  }
}

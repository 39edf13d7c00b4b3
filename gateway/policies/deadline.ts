import type { Call } from '../core/call.ts';
import { type Clock, StoodStill, type Timer } from '../core/clock.ts';
import type { Layer } from '../core/handler.ts';
import { GatewayError } from '../core/errors.ts';
import { type DeadlineSettings, lastProgressAt, maxMs, totalMs } from '../core/time-limits.ts';
import type { WorkerDirectory } from '../core/worker.ts';

/**
 * Cancels a call whose time is over: whoever holds it then (queue, window, relay) hears it at once. A call whose worker gets on is slow and
 * not stuck: it has until `_max_ms`. The other three limits (connect, first token, silence between tokens) belong to the attempt and are
 * kept by the relay.
 */
export function deadline(clock: Clock, settings: () => DeadlineSettings, directory: Pick<WorkerDirectory, 'workers'>): Layer {
  return (next) =>
    async function limited(call) {
      const limits = settings();
      const timer = new Deadline(clock, call, limits, directory);
      try {
        const reply = await next(call);
        reply.ended.onSettled(() => timer.cancel());
        return reply;
      } catch (error) {
        timer.cancel();
        throw error;
      }
    };
}

/** One timer, armed for the earliest moment at which the call may have to end; it looks again when it fires. */
class Deadline {
  readonly #clock: Clock;
  readonly #call: Call;
  readonly #limits: DeadlineSettings;
  readonly #directory: Pick<WorkerDirectory, 'workers'>;
  #timer: Timer;
  #dueAt = 0;
  #stoodStill: StoodStill | null = null;

  constructor(clock: Clock, call: Call, limits: DeadlineSettings, directory: Pick<WorkerDirectory, 'workers'>) {
    this.#clock = clock;
    this.#call = call;
    this.#limits = limits;
    this.#directory = directory;
    const { stream } = call.peek;
    this.#timer = this.#armedFor(call.arrivedAt + Math.min(totalMs(limits, stream), maxMs(limits, stream)));
  }

  cancel(): void {
    this.#timer.cancel();
  }

  #armedFor(at: number): Timer {
    const now = this.#clock.now();
    this.#dueAt = Math.max(now, at);
    return this.#clock.after(this.#dueAt - now, () => this.#onDue());
  }

  #onDue(): void {
    const call = this.#call;
    const { stream } = call.peek;
    const latest = call.arrivedAt + maxMs(this.#limits, stream);
    const totalAt = call.arrivedAt + totalMs(this.#limits, stream);
    const now = this.#clock.now();
    const extraMs = (this.#stoodStill ??= new StoodStill()).extraMs(this.#dueAt, now);
    if (extraMs > 0) {
      this.#timer = this.#armedFor(now + extraMs);
      return;
    }
    if (now >= latest) return this.#end('max', maxMs(this.#limits, stream));
    // What stands still for as long as a stream may be silent has stopped.
    const stillAt = lastProgressAt(call, this.#directory) + Math.min(this.#limits.idle_ms, totalMs(this.#limits, stream));
    if (now >= totalAt && now >= stillAt) return this.#end('total', totalMs(this.#limits, stream));
    this.#timer = this.#armedFor(Math.min(latest, Math.max(totalAt, stillAt)));
  }

  #end(which: 'total' | 'max', limitMs: number): void {
    const kind = this.#call.peek.stream ? 'stream' : 'request';
    const limit = `${limitMs} ms in all (timeouts.${kind}_${which}_ms)`;
    this.#call.cancellation.cancel(new GatewayError('deadline', `The request took longer than ${limit}. ${this.#advice(which)}`));
  }

  #advice(which: 'total' | 'max'): string {
    if (which === 'max') return 'Ask for fewer tokens, or raise the limit.';
    if ((this.#call.rides ?? this.#call).attempts.length === 0)
      return 'It had not come to a worker yet: retry when there is less to do, or raise the limit.';
    return 'Its worker was not seen to get on: retry, or raise the limit if its answers take that long.';
  }
}

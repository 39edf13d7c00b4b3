import type { Call, Priority } from '../../core/call.ts';
import type { Layer } from '../../core/handler.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Lease } from '../../core/lease.ts';
import { afterLoss, LostError, NOTICE_MS, untilGone } from '../lost/lost-worker.ts';
import { Room, type AdmissionContext } from './room.ts';

/** May this call wait, and for how long? One room a model. */
export class Admission {
  readonly #context: AdmissionContext;
  readonly #rooms = new Map<string, Room>();

  constructor(context: AdmissionContext) {
    this.#context = context;
    // A worker that comes or goes changes how many places there are.
    context.directory.onChange(() => this.poke());
  }

  /** Looks again whether places have come free. */
  poke(): void {
    for (const room of this.#rooms.values()) room.poke();
  }

  depth(priority: Priority): number {
    let depth = 0;
    for (const room of this.#rooms.values()) depth += room.depth(priority);
    return depth;
  }

  inUse(): number {
    let inUse = 0;
    for (const room of this.#rooms.values()) inUse += room.inUse;
    return inUse;
  }

  room(model: string): Room {
    let room = this.#rooms.get(model);
    if (!room) this.#rooms.set(model, (room = new Room(model, this.#context)));
    return room;
  }

  /**
   * Resolves when the call may try again. @returns whether its worker's end is known; otherwise the call was not sent, and the worker may be
   * asked once more.
   */
  async #untilGone(call: Call, loss: LostError, giveUpAt: number): Promise<boolean> {
    const { clock, directory } = this.#context;
    const startedAt = clock.now();
    call.journey.phase = 'queue';
    try {
      await untilGone(clock, directory, loss, call.cancellation);
      return true;
    } catch (error) {
      if (error !== loss || loss.failure || clock.now() >= giveUpAt) throw error;
      return false;
    } finally {
      call.journey.queueMs += clock.now() - startedAt;
    }
  }

  layer(): Layer {
    const { clock, events, directory } = this.#context;
    const room = (model: string) => this.room(model);
    return (next) => async (call) => {
      let loss: LostError | null = null;
      let giveUpAt = Infinity;
      for (let first = true; ; first = false) {
        let lease: Lease;
        try {
          lease = await room(call.model).enter(call, !first);
        } catch (error) {
          if (error instanceof GatewayError && error.kind !== 'client_disconnected') events.rejected(call, error.reason);
          throw loss === null ? error : afterLoss(error);
        }
        if (first) events.admitted(call);
        if (loss?.failure) events.retried(call, loss.failure);
        loss = null;
        try {
          const reply = await next(call);
          void reply.ended.promise.then(() => lease.release());
          return reply;
        } catch (error) {
          try {
            if (directory.resolve(call.model)?.loadable !== true) throw error;
            // Its worker was given another model while the call was held on its way there: it waits for the next.
            if (isUnsent(call, error)) continue;
            if (!(error instanceof LostError)) throw error;
            // Its worker has ended: it waits for what its supervisor starts instead. Until that is known it keeps its place, or all who
            // stand in line would be sent after it.
            loss = error;
            if (loss.failure) call.journey.losses++;
            else giveUpAt = Math.min(giveUpAt, clock.now() + NOTICE_MS);
            if (await this.#untilGone(call, loss, giveUpAt)) giveUpAt = Infinity;
          } finally {
            lease.release();
          }
        }
      }
    };
  }
}

function isUnsent(call: Call, error: unknown): boolean {
  return call.journey.attempts === 0 && error instanceof GatewayError && error.kind === 'model_loading';
}

import type { Call, Priority } from '../../core/call.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Layer } from '../../core/handler.ts';
import type { Lease } from '../../core/lease.ts';
import type { Worker } from '../../core/worker.ts';
import { type AdmissionContext, placesOf } from './places.ts';
import { Room } from './room.ts';

/** May this call wait, and for how long? One room a model. */
export class Admission {
  readonly #context: AdmissionContext;
  readonly #rooms = new Map<string, Room>();
  #turn = 0;

  constructor(context: AdmissionContext) {
    this.#context = context;
    // A worker that comes or goes changes how many places there are.
    context.directory.onChange(() => this.poke());
    const { share } = context;
    share?.reckonFrom({
      lines: () => [...this.#rooms.values()].map((room) => room.figures()),
      placesOf: (worker) => this.placesOf(worker),
      mostWaiting: () => context.admission().max_queue,
    });
    share?.onChange(() => {
      for (const room of this.#rooms.values()) room.onShare();
    });
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
    if (!room) this.#rooms.set(model, (room = new Room(model, this.#context, () => this.#onFreed(model))));
    return room;
  }

  /** What one model's call gives back another's may be waiting for, where a pool has both: they take turns in being asked first. */
  #onFreed(model: string): void {
    if (this.#context.directory.shares?.(model) !== true) return this.room(model).poke();
    const sharing = [...this.#rooms].filter(([other]) => this.#context.directory.shares?.(other) === true);
    const first = this.#turn++ % sharing.length;
    for (const [, room] of [...sharing.slice(first), ...sharing.slice(0, first)]) room.poke();
  }

  /** Calls that a worker can run at once, whoever sends them. */
  placesOf(worker: Worker): number {
    return placesOf(worker, this.#context, this.#context.clock.now());
  }

  /** How many more calls of a model its workers can run at once; negative: they have too many. */
  spare(model: string): number {
    return this.room(model).spare();
  }

  /** Only a call that has a place goes on; it keeps the place to its last byte. */
  layer(): Layer {
    const { events } = this.#context;
    return (next) => async (call) => {
      const room = this.room(call.model);
      // Most calls need not wait, and an await costs as much as all the rest of this.
      call.place = room.takeFree(call) ?? (await this.#enter(room, call, false));
      events.admitted(call);
      try {
        const reply = await next(call);
        reply.ended.onSettled(() => call.place?.release());
        return reply;
      } catch (error) {
        call.place?.release();
        throw error;
      }
    };
  }

  /** Gives the call's place back and waits for one again, in front of those of its kind that have had none. @throws as `Room.enter` does */
  async lineUpAgain(call: Call): Promise<void> {
    call.place?.release();
    call.place = await this.#enter(this.room(call.model), call, true);
  }

  async #enter(room: Room, call: Call, again: boolean): Promise<Lease> {
    try {
      return await room.enter(call, again);
    } catch (error) {
      if (error instanceof GatewayError && error.kind !== 'client_disconnected') this.#context.events.rejected(call, error.reason);
      throw error;
    }
  }
}

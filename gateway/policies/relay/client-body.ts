import type { Journey } from '../../core/call.ts';
import type { Sink } from '../../core/reply.ts';
import type { FrameBatch } from '../../core/transport.ts';

/** Told when the client reads too slowly, and when it has caught up. */
export interface Flow {
  onHold(): void;
  onRelease(): void;
}

/** The client's end of a pushed body: keeps what comes before the sink is there, counts bytes, and turns a slow reader into `hold`. */
export class ClientBody {
  readonly #journey: Journey;
  readonly #flow: Flow;
  #sink: Sink | null = null;
  #early: (() => void)[] = [];
  #held = false;
  #finished = false;

  constructor(journey: Journey, flow: Flow) {
    this.#journey = journey;
    this.#flow = flow;
  }

  /** What a reply's body is started with. */
  readonly start = (sink: Sink): void => {
    this.#sink = sink;
    const early = this.#early;
    this.#early = [];
    for (const write of early) write();
  };

  /** Whole chunk frames, passed on as they are. */
  writeFrames(batch: FrameBatch): void {
    const { starts, ends, count } = batch;
    for (let i = 0; i < count; i++) this.#journey.bytesOut += ends[i]! - starts[i]!;
    if (this.#sink === null) {
      // The transport reuses its arrays for the next read.
      const kept: FrameBatch = { bytes: batch.bytes, count, starts: starts.slice(0, count), ends: ends.slice(0, count) };
      this.#early.push(() => this.#after(this.#sink!.writeFrames(kept)));
    } else this.#after(this.#sink.writeFrames(batch));
  }

  write(payload: Uint8Array): void {
    this.#journey.bytesOut += payload.length;
    if (this.#sink === null) this.#early.push(() => this.#after(this.#sink!.write(payload)));
    else this.#after(this.#sink.write(payload));
  }

  /** Ends the body. */
  finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    if (this.#sink === null) this.#early.push(() => this.#sink!.end());
    else this.#sink.end();
  }

  /** Cuts the client's connection: the only way to say that a body of known length will not be completed. */
  cut(): void {
    this.#finished = true;
    if (this.#sink === null) this.#early.push(() => this.#sink!.destroy());
    else this.#sink.destroy();
  }

  #after(more: boolean): void {
    if (more || this.#held || this.#finished) return;
    this.#held = true;
    this.#flow.onHold();
    this.#sink!.onDrain(() => {
      this.#held = false;
      this.#flow.onRelease();
    });
  }
}

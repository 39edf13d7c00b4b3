import type { FrameBatch } from '../core/transport.ts';

/** The longest event that is put together from pieces: the last one of /v1/responses holds the whole answer, with its log-probabilities. */
export const MAX_EVENT_BYTES = 16_777_216;
const NEWLINE = 0x0a;
const BOUNDARY = Buffer.from('\n\n');
const NOTHING = Buffer.alloc(0);

/** Cuts payload into whole server-sent events, however chunks and events overlap. What is not yet whole is held. */
export class EventCutter {
  /** Grows by doubling: an event may come in pieces of a byte. */
  #held: Buffer = NOTHING;
  #heldBytes = 0;

  /** Whether nothing is held. */
  get empty(): boolean {
    return this.#heldBytes === 0;
  }

  cut(batch: FrameBatch): Buffer[] | 'too_long' {
    const events: Buffer[] = [];
    for (let i = 0; i < batch.count; i++) {
      const payload = batch.bytes.subarray(batch.starts[i], batch.ends[i]);
      let from = 0;
      for (let end = this.#firstEnd(payload); end > 0; end = after(payload, from)) {
        events.push(this.#take(payload.subarray(from, end)));
        from = end;
      }
      if (from < payload.length) this.#hold(payload.subarray(from));
      if (this.#heldBytes > MAX_EVENT_BYTES) return 'too_long';
    }
    return events;
  }

  /** One past the first event's end; the blank line may have begun in what is held. 0 where there is none. */
  #firstEnd(payload: Buffer): number {
    const joined = this.#heldBytes > 0 && this.#held[this.#heldBytes - 1] === NEWLINE && payload[0] === NEWLINE;
    return joined ? 1 : after(payload, 0);
  }

  #take(last: Buffer): Buffer {
    if (this.#heldBytes === 0) return last;
    const event = Buffer.concat([this.#held.subarray(0, this.#heldBytes), last]);
    this.#held = NOTHING;
    this.#heldBytes = 0;
    return event;
  }

  #hold(piece: Buffer): void {
    const bytes = this.#heldBytes + piece.length;
    if (bytes > this.#held.length) {
      const larger = Buffer.allocUnsafeSlow(2 * bytes);
      this.#held.copy(larger, 0, 0, this.#heldBytes);
      this.#held = larger;
    }
    piece.copy(this.#held, this.#heldBytes);
    this.#heldBytes = bytes;
  }
}

function after(payload: Buffer, from: number): number {
  const at = payload.indexOf(BOUNDARY, from);
  return at < 0 ? 0 : at + BOUNDARY.length;
}

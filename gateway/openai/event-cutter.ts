import type { FrameBatch } from '../core/transport.ts';

/** The longest event that is put together from pieces. */
const MAX_EVENT_BYTES = 1_048_576;
const BOUNDARY = Buffer.from('\n\n');

/** Cuts payload into whole server-sent events, however chunks and events overlap. What is not yet whole is held. */
export class EventCutter {
  #held: Buffer = Buffer.alloc(0);

  /** Whether nothing is held. */
  get empty(): boolean {
    return this.#held.length === 0;
  }

  cut(batch: FrameBatch): Buffer[] | 'too_long' {
    const events: Buffer[] = [];
    for (let i = 0; i < batch.count; i++) {
      const payload = batch.bytes.subarray(batch.starts[i], batch.ends[i]);
      const bytes = this.#held.length === 0 ? payload : Buffer.concat([this.#held, payload]);
      let from = 0;
      for (let at = bytes.indexOf(BOUNDARY); at >= 0; at = bytes.indexOf(BOUNDARY, from)) {
        events.push(bytes.subarray(from, at + 2));
        from = at + 2;
      }
      this.#held = from === bytes.length ? Buffer.alloc(0) : bytes.subarray(from);
      if (this.#held.length > MAX_EVENT_BYTES) return 'too_long';
    }
    return events;
  }
}

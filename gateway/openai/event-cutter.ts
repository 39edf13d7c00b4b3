import type { FrameBatch } from '../core/transport.ts';

/**
 * The longest event that is put together from pieces: the last one of /v1/responses holds the whole answer, with its log-probabilities. A
 * longer one is handed on in pieces.
 */
export const MAX_EVENT_BYTES = 16_777_216;
const LF = 0x0a;
const CR = 0x0d;
const NOTHING = Buffer.alloc(0);

/** An event, or a piece of one that is too long to be held: its beginning, its middle, its end. */
export interface CutEvent {
  readonly bytes: Buffer;
  readonly part: 'whole' | 'begin' | 'middle' | 'end';
}

/**
 * Cuts payload into whole server-sent events, however chunks and events overlap. What is not yet whole is held. Lines end as the standard
 * says: by LF, CR or CRLF, mixed as they come.
 */
export class EventCutter {
  /** Grows by doubling: an event may come in pieces of a byte. */
  #held: Buffer = NOTHING;
  #heldBytes = 0;
  /** Nothing of the present line has come yet; where it stays so, its end is that of an event. */
  #lineIsEmpty = true;
  /** The event under way is too long to be held: what comes of it is handed on. */
  #isLong = false;
  /** A LF that comes next belongs to the CR before. */
  #afterCr = false;

  /** Whether the next byte begins an event. */
  get empty(): boolean {
    return this.#heldBytes === 0 && !this.#isLong;
  }

  /** Whether what was handed on last is not the end of its event. */
  get isWithinLong(): boolean {
    return this.#isLong;
  }

  cut(batch: FrameBatch): CutEvent[] {
    const events: CutEvent[] = [];
    for (let i = 0; i < batch.count; i++) {
      const payload = batch.bytes.subarray(batch.starts[i], batch.ends[i]);
      let from = 0;
      for (let end = this.#eventEnd(payload, 0); end > 0; end = this.#eventEnd(payload, from)) {
        events.push({ bytes: this.#take(payload.subarray(from, end)), part: this.#isLong ? 'end' : 'whole' });
        this.#isLong = false;
        from = end;
      }
      if (from < payload.length) this.#keep(payload.subarray(from), events);
    }
    return events;
  }

  #keep(piece: Buffer, events: CutEvent[]): void {
    if (this.#isLong) {
      events.push({ bytes: piece, part: 'middle' });
    } else if (this.#heldBytes + piece.length > MAX_EVENT_BYTES) {
      events.push({ bytes: this.#take(piece), part: 'begin' });
      this.#isLong = true;
    } else this.#hold(piece);
  }

  /** One past the end of the first event that ends in the payload from there on; 0 where none does. */
  #eventEnd(payload: Buffer, from: number): number {
    for (let at = from; at < payload.length; at++) {
      const byte = payload[at];
      if (byte === LF && this.#afterCr) {
        this.#afterCr = false;
        continue;
      }
      this.#afterCr = byte === CR;
      if (byte !== LF && byte !== CR) {
        this.#lineIsEmpty = false;
        // The rest of a line is nobody's business here.
        at = lineEnd(payload, at) - 1;
      } else if (this.#lineIsEmpty && (at > from || !this.empty)) {
        if (byte === CR && payload[at + 1] === LF) {
          this.#afterCr = false;
          return at + 2;
        }
        return at + 1;
      } else this.#lineIsEmpty = true;
    }
    return 0;
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

/** Where the line that `from` lies in ends. */
function lineEnd(payload: Buffer, from: number): number {
  const lf = payload.indexOf(LF, from);
  const end = lf < 0 ? payload.length : lf;
  const cr = payload.subarray(from, end).indexOf(CR);
  return cr < 0 ? end : from + cr;
}

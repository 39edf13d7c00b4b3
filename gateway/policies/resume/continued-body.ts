import type { Journey } from '../../core/call.ts';
import type { Sink } from '../../core/reply.ts';
import type { FrameBatch } from '../../core/transport.ts';
import type { EventRewriter } from './leg-events.ts';

type Body = (sink: Sink) => void;

const END_OF_EVENT = '\n\n';

/** One body for the client out of the streams of several workers, one after the other. */
export class ContinuedBody {
  readonly #journey: Journey;
  readonly #first: Body;
  readonly #rewrite: EventRewriter;
  /** Told of what is no whole event. */
  readonly #onUnreadable: () => void;
  #client: Sink | null = null;
  #onStarted: (() => void) | null = null;
  /** The client reads too slowly. */
  #isFull = false;
  /** Resolves when the client's end is there, and has all that came before. */
  readonly started = new Promise<void>((resolve) => (this.#onStarted = resolve));

  /** `first`: the body of the first worker's reply */
  constructor(journey: Journey, first: Body, rewrite: EventRewriter, onUnreadable: () => void) {
    this.#journey = journey;
    this.#first = first;
    this.#rewrite = rewrite;
    this.#onUnreadable = onUnreadable;
  }

  get isStarted(): boolean {
    return this.#client !== null;
  }

  /** What the client's reply is started with. */
  readonly start = (client: Sink): void => {
    this.#client = client;
    this.#first(this.#sink(client, this.#rewrite));
    this.#onStarted!();
  };

  /** Goes on with the body of another worker's reply. Not before `started`. */
  goOn(body: Body, rewrite: EventRewriter): void {
    body(this.#sink(this.#client!, rewrite));
  }

  /** Something of the gateway's own: a comment, an error event. Not before `started`. */
  write(event: string): void {
    const bytes = Buffer.from(event);
    this.#journey.bytesOut += bytes.length;
    this.#client!.write(bytes);
  }

  /** A comment, where the client is there and reads. */
  comment(text: string): void {
    if (this.#client !== null && !this.#isFull) this.write(text);
  }

  end(): void {
    this.#client!.end();
  }

  #sink(client: Sink, rewrite: EventRewriter): Sink {
    return new LegSink(client, this.#journey, rewrite, this.#onUnreadable, (isFull) => (this.#isFull = isFull));
  }
}

/** The client's end as one worker's relay sees it: what is written passes the rewriter, an event at a time. */
class LegSink implements Sink {
  readonly #client: Sink;
  readonly #journey: Journey;
  readonly #rewrite: EventRewriter;
  readonly #onUnreadable: () => void;
  readonly #onPace: (isFull: boolean) => void;
  /** A piece of an event has come: from then on everything is passed on as it is. */
  #isPlain = false;

  constructor(client: Sink, journey: Journey, rewrite: EventRewriter, onUnreadable: () => void, onPace: (isFull: boolean) => void) {
    this.#onPace = onPace;
    this.#client = client;
    this.#journey = journey;
    this.#rewrite = rewrite;
    this.#onUnreadable = onUnreadable;
  }

  write(payload: Uint8Array): boolean {
    if (this.#isPlain) return this.#client.write(payload);
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    return this.#pass(bytes.toString('utf8'), bytes);
  }

  writeFrames(batch: FrameBatch): boolean {
    if (this.#isPlain) return this.#client.writeFrames(batch);
    const { bytes, starts, ends, count } = batch;
    if (count === 1) return this.write(bytes.subarray(starts[0], ends[0]));
    // An event a chunk, as the relay has seen.
    const payloads = Array.from({ length: count }, (_, i) => bytes.subarray(starts[i], ends[i]));
    return this.write(Buffer.concat(payloads));
  }

  onDrain(listener: () => void): void {
    this.#onPace(true);
    this.#client.onDrain(() => {
      this.#onPace(false);
      listener();
    });
  }

  end(): void {
    this.#client.end();
  }

  destroy(): void {
    this.#client.destroy();
  }

  #pass(text: string, bytes: Buffer): boolean {
    if (!text.endsWith(END_OF_EVENT)) {
      this.#isPlain = true;
      this.#onUnreadable();
      return this.#client.write(bytes);
    }
    let out = '';
    for (let from = 0; from < text.length;) {
      const to = text.indexOf(END_OF_EVENT, from) + END_OF_EVENT.length;
      out += this.#rewrite(text.slice(from, to)) ?? '';
      from = to;
    }
    if (out === text) return this.#client.write(bytes);
    if (out === '') {
      this.#journey.bytesOut -= bytes.length;
      return true;
    }
    const rewritten = Buffer.from(out);
    this.#journey.bytesOut += rewritten.length - bytes.length;
    return this.#client.write(rewritten);
  }
}

import type { Call } from '../../core/call.ts';
import type { Clock } from '../../core/clock.ts';
import type { GatewayError } from '../../core/errors.ts';
import { Ending, type Outcome, type Reply, type Sink } from '../../core/reply.ts';
import type { FrameBatch } from '../../core/transport.ts';
import { errorEvent } from '../../openai/error-body.ts';

/** What a reader needs of the answer that it reads. */
interface Source {
  readonly total: number;
  readonly hasEnded: boolean;
  readonly isCut: boolean;
  from(place: number): Buffer;
  start(): void;
  released(): void;
  /** A reader is not to go on. @returns whether it was the only one, so that it gets its error from where the answer comes from */
  endsFor(reader: Reader, reason: GatewayError): boolean;
  left(reader: Reader): void;
}

/** At once, to one that was behind. */
const MOST_AT_ONCE = 65_536;
const END_OF_EVENT = Buffer.from('\n\n');

/** One of those who read a shared answer. */
export class Reader {
  readonly reply: Reply;
  readonly #source: Source;
  readonly #call: Call;
  readonly #counts: boolean;
  #sink: Sink | null = null;
  readonly #clock: Pick<Clock, 'now'>;
  #isHeld = false;
  /** Monotonic ms since which it has taken nothing; where it cannot. */
  heldSince: number;
  #isOver = false;
  #broken: GatewayError | null = null;
  readonly #offCancel: () => void;
  /** How many bytes of the answer it has. */
  place = 0;

  constructor(source: Source, call: Call, { status, headers, relayed, outcome }: Reply, counts: boolean, clock: Pick<Clock, 'now'>) {
    this.#source = source;
    this.#call = call;
    this.#counts = counts;
    this.#clock = clock;
    this.heldSince = clock.now();
    const ended = new Ending();
    const ownOutcome = (): Outcome => (this.#broken ? { kind: 'broken', error: this.#broken } : outcome());
    this.reply = { status, headers, body: { kind: 'pushed', start: (sink) => this.#start(sink) }, relayed, ended, outcome: ownOutcome };
    this.#offCancel = call.cancellation.onCancel((reason) => this.#onCancelled(reason));
    ended.onSettled(() => this.#leave());
  }

  /** It has everything before `place`, and takes what comes there. */
  isAt(place: number): boolean {
    return this.place === place && this.takes;
  }

  get takes(): boolean {
    return this.#sink !== null && !this.#isHeld && !this.#isOver;
  }

  write(payload: Uint8Array): void {
    this.#count(payload.length);
    this.#after(this.#sink!.write(payload));
  }

  /** @param bytes of payload in it */
  writeFrames(batch: FrameBatch, bytes: number): void {
    this.#count(bytes);
    this.#after(this.#sink!.writeFrames(batch));
  }

  /** Nothing more comes: it gets the rest at once. Whoever does not take it is the server's business, as at every other end. */
  finish(): void {
    if (this.#sink === null || this.#isOver) return;
    const rest = this.#source.from(this.place);
    if (rest.length > 0) {
      this.#count(rest.length);
      this.#sink.write(rest);
    }
    this.#close();
    this.#sink.end();
  }

  cut(): void {
    if (this.#isOver) return;
    this.#close();
    this.#sink?.destroy();
  }

  #start(sink: Sink): void {
    this.#sink = sink;
    if (this.#isOver || this.#source.isCut) return sink.destroy();
    if (this.#source.hasEnded) return this.finish();
    this.#catchUp();
    this.#source.start();
    this.#source.released();
  }

  #catchUp(): void {
    while (this.takes && this.place < this.#source.total) this.write(this.#source.from(this.place).subarray(0, MOST_AT_ONCE));
  }

  #count(bytes: number): void {
    this.place += bytes;
    if (this.#counts) this.#call.journey.bytesOut += bytes;
  }

  #after(more: boolean): void {
    if (more) return;
    this.#isHeld = true;
    this.heldSince = this.#clock.now();
    this.#sink!.onDrain(() => {
      this.#isHeld = false;
      if (this.#isOver) return;
      this.#catchUp();
      this.#source.released();
    });
  }

  /** Its time is over, or the gateway ends: it alone is told so, and the others read on. */
  #onCancelled(reason: GatewayError): void {
    if (this.#isOver || reason.kind === 'client_disconnected' || this.#source.endsFor(this, reason)) return;
    this.#broken = reason;
    this.#close();
    this.#source.left(this);
    const sink = this.#sink;
    if (sink === null) return;
    if (!this.#call.peek.stream) return sink.destroy();
    sink.write(END_OF_EVENT);
    sink.write(Buffer.from(errorEvent(reason, this.#call.route.dialect, 0)));
    sink.end();
  }

  #close(): void {
    this.#isOver = true;
    this.#offCancel();
  }

  #leave(): void {
    this.#close();
    this.#source.left(this);
  }
}

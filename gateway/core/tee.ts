import type { Call } from './call.ts';
import { GatewayError } from './errors.ts';
import { Ending, type Outcome, type Reply, type Sink } from './reply.ts';
import type { FrameBatch } from './transport.ts';

/** The call that a reply was given to. */
type Source = Pick<Call, 'cancellation' | 'journey'>;

/**
 * For calls that share one answer (a second client that asks the same, a cache that keeps it). Two readers of one reply: each gets the whole body, at its own pace. A reader leaves by settling the ending of its reply, as every reader
 * does; when both have left before the body's end, the source is cancelled.
 * A slow reader does not hold the other back: what it has not taken is kept for it, and at `maxBehindBytes` it is cut. The source is held
 * only while no reader can take more. It is started by the first reader; the other may start later, within the same bytes.
 */
export function tee(source: Source, reply: Reply, maxBehindBytes: number): readonly [Reply, Reply] {
  const fork = new Fork(source, reply, maxBehindBytes);
  return [fork.left.reply, fork.right.reply];
}

/** The sink that the source pushes into. */
class Fork implements Sink {
  readonly #source: Source;
  readonly #reply: Reply;
  readonly left: Branch;
  readonly right: Branch;
  #started = false;
  /** The source has said its last. */
  #finished: boolean;
  #onDrain: (() => void) | null = null;

  constructor(source: Source, reply: Reply, maxBehindBytes: number) {
    this.#source = source;
    this.#reply = reply;
    this.#finished = reply.body.kind === 'bytes';
    this.left = new Branch(this, reply, maxBehindBytes);
    this.right = new Branch(this, reply, maxBehindBytes);
  }

  /** A reader is there. */
  start(): void {
    if (this.#started || this.#reply.body.kind === 'bytes') return;
    this.#started = true;
    this.#reply.body.start(this);
  }

  write(payload: Uint8Array): boolean {
    this.left.write(payload);
    this.right.write(payload);
    return this.#flows();
  }

  writeFrames(batch: FrameBatch): boolean {
    this.left.writeFrames(batch);
    this.right.writeFrames(batch);
    return this.#flows();
  }

  onDrain(listener: () => void): void {
    this.#onDrain = listener;
  }

  end(): void {
    this.#finished = true;
    this.left.end();
    this.right.end();
  }

  destroy(): void {
    this.#finished = true;
    this.left.cut();
    this.right.cut();
  }

  /** A reader can take more than before. */
  released(): void {
    if (this.#onDrain === null || this.#finished || !this.#flows()) return;
    const listener = this.#onDrain;
    this.#onDrain = null;
    listener();
  }

  /** A reader has left, or was cut. */
  onGone(): void {
    const { left, right } = this;
    if (!left.gone || !right.gone) return this.released();
    if (!this.#finished) {
      this.#finished = true;
      this.#source.cancellation.cancel(new GatewayError('client_disconnected', 'Everyone who read the answer has gone.'));
    }
    const outcome = this.#reply.outcome();
    const delivered = outcome.kind === 'broken' || left.outcome?.kind === outcome.kind || right.outcome?.kind === outcome.kind;
    this.#reply.ended.settle(delivered ? outcome : { kind: 'disconnected', phase: this.#source.journey.phase });
  }

  /** Whether anyone can take more; true when nobody is left. */
  #flows(): boolean {
    const { left, right } = this;
    return left.flows || right.flows || (left.gone && right.gone);
  }
}

/** A write that waits for its reader. */
interface Kept {
  readonly bytes: number;
  readonly write: (sink: Sink) => boolean;
}

/** One reader's side. */
class Branch {
  readonly reply: Reply;
  readonly #fork: Fork;
  readonly #maxBehindBytes: number;
  #sink: Sink | null = null;
  /** What the reader has not been able to take, in order. */
  #behind: Kept[] = [];
  #behindBytes = 0;
  #state: 'open' | 'ended' | 'cut' = 'open';
  #held = false;
  /** How its reader left; null while it is there. */
  outcome: Outcome | null = null;

  constructor(fork: Fork, { status, headers, body, relayed, outcome }: Reply, maxBehindBytes: number) {
    this.#fork = fork;
    this.#maxBehindBytes = maxBehindBytes;
    const ended = new Ending();
    this.reply = {
      status,
      headers,
      body: body.kind === 'bytes' ? body : { kind: 'pushed', start: (sink) => this.#start(sink) },
      relayed,
      ended,
      outcome,
    };
    void ended.promise.then((left) => {
      this.outcome = left;
      this.#forget();
      fork.onGone();
    });
  }

  /** Nothing will reach its reader any more. */
  get gone(): boolean {
    return this.outcome !== null || this.#state === 'cut';
  }

  /** Whether it takes what comes next without keeping it. */
  get flows(): boolean {
    return this.#sink !== null && !this.#held && !this.gone;
  }

  write(payload: Uint8Array): void {
    if (this.flows) this.#after(this.#sink!.write(payload));
    else this.#keep(payload.length, (sink) => sink.write(payload));
  }

  writeFrames(batch: FrameBatch): void {
    if (this.flows) return this.#after(this.#sink!.writeFrames(batch));
    // The transport reuses its arrays for the next read.
    const { bytes, count, starts, ends } = batch;
    const kept: FrameBatch = { bytes, count, starts: starts.slice(0, count), ends: ends.slice(0, count) };
    this.#keep(bytes.length, (sink) => sink.writeFrames(kept));
  }

  /** What is kept is handed on at once: the reader's own adapter drops it if it does not take the rest. */
  end(): void {
    if (this.#state !== 'open') return;
    this.#state = 'ended';
    if (this.#sink === null || this.gone) return;
    this.#held = false;
    this.#handOn(this.#sink);
    this.#sink.end();
  }

  cut(): void {
    if (this.#state !== 'open') return;
    this.#state = 'cut';
    this.#forget();
    if (this.outcome === null) this.#sink?.destroy();
    this.#fork.onGone();
  }

  #start(sink: Sink): void {
    this.#sink = sink;
    if (this.#state === 'cut') return sink.destroy();
    this.#handOn(sink);
    if (this.#state === 'ended') return sink.end();
    this.#fork.start();
    this.#fork.released();
  }

  #after(more: boolean): void {
    if (more || this.#state !== 'open') return;
    this.#held = true;
    this.#sink!.onDrain(() => this.#onDrain());
  }

  #onDrain(): void {
    if (this.#state !== 'open' || this.gone) return;
    this.#held = false;
    this.#handOn(this.#sink!);
    this.#fork.released();
  }

  /** Hands on what was kept, as far as the reader takes it; all of it once no more will come. */
  #handOn(sink: Sink): void {
    while (this.#behind.length > 0 && !this.#held) {
      const { bytes, write } = this.#behind.shift()!;
      this.#behindBytes -= bytes;
      this.#after(write(sink));
    }
  }

  #keep(bytes: number, write: (sink: Sink) => boolean): void {
    if (this.#state !== 'open' || this.gone) return;
    this.#behind.push({ bytes, write });
    this.#behindBytes += bytes;
    if (this.#behindBytes > this.#maxBehindBytes) this.cut();
  }

  #forget(): void {
    this.#behind = [];
    this.#behindBytes = 0;
  }
}

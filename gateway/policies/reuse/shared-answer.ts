import type { Call } from '../../core/call.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import type { GatewayError } from '../../core/errors.ts';
import type { Outcome, Reply, Sink } from '../../core/reply.ts';
import type { FrameBatch } from '../../core/transport.ts';
import { AnswerRecord, type RecordMemory } from './answer-record.ts';
import { Reader } from './reader.ts';

/** A reader that is far behind is waited for, unless it has taken nothing for so long. */
const STUCK_MS = 1_000;

interface SharedAnswerOptions {
  readonly clock: Clock;
  readonly memory: RecordMemory;
  /** More of an answer is not kept for those who come later, nor for a reader that falls behind. */
  readonly mostBytes: number;
  /** Everyone who read it has left before its end. */
  readonly onDeserted: () => void;
  /** The only reader there is must not go on, for this reason. */
  readonly onBroken: (reason: GatewayError) => void;
  /** Nothing more comes. `whole`: all of it, where it is complete and was kept to its end. */
  readonly onEnd: (whole: Buffer | null) => void;
}

/**
 * One answer for any number of readers, each of which begins when it comes and goes on at its own pace. What has come is kept for those who
 * come later; once it is more than a reader may fall behind, only for those that are behind, and nobody joins any more. The worker is held
 * while no reader can take more, or while one is far behind that still reads; one that has stopped is left behind.
 */
export class SharedAnswer implements Sink {
  readonly #reply: Reply;
  readonly #options: SharedAnswerOptions;
  readonly #record: AnswerRecord;
  readonly #readers = new Set<Reader>();
  #state: 'waiting' | 'flowing' | 'ended' | 'cut' = 'waiting';
  /** Everything that has come is kept. */
  #isWhole = true;
  #total = 0;
  #onDrain: (() => void) | null = null;
  #patience: Timer | null = null;

  /** @param reply whose body is pushed, and not started by anybody else */
  constructor(reply: Reply, options: SharedAnswerOptions) {
    this.#reply = reply;
    this.#options = options;
    this.#record = new AnswerRecord(options.memory);
  }

  /** Whether somebody who comes now gets all of it. */
  get isOpen(): boolean {
    return this.#isWhole && this.#state !== 'ended' && this.#state !== 'cut';
  }

  /** A reply for one more reader. `counts`: its bytes are not in the call's journey yet. */
  read(call: Call, counts: boolean, relayed: boolean): Reply {
    const reader = new Reader(this, call, { ...this.#reply, relayed }, counts, this.#options.clock);
    this.#readers.add(reader);
    return reader.reply;
  }

  /** Begins to take what the worker sends; the first reader does so, or whoever keeps it for those to come. */
  start(): void {
    if (this.#state !== 'waiting' || this.#reply.body.kind !== 'pushed') return;
    this.#state = 'flowing';
    this.#reply.body.start(this);
  }

  /** Nobody will read it: it is given up. */
  abandon(outcome: Outcome): void {
    if (this.#state === 'ended' || this.#state === 'cut') return;
    this.#over('cut');
    this.#reply.ended.settle(outcome);
  }

  // === as the worker's reader ===

  write(payload: Uint8Array): boolean {
    const place = this.#total;
    this.#total += payload.length;
    for (const reader of this.#readers) if (reader.isAt(place)) reader.write(payload);
    if (this.#mustKeep()) {
      if (this.#record.end < place) this.#record.skipTo(place);
      this.#record.append(payload);
      this.#bound();
    }
    return this.#flows();
  }

  writeFrames(batch: FrameBatch): boolean {
    const { bytes, count, starts, ends } = batch;
    const place = this.#total;
    for (let i = 0; i < count; i++) this.#total += ends[i]! - starts[i]!;
    for (const reader of this.#readers) if (reader.isAt(place)) reader.writeFrames(batch, this.#total - place);
    if (this.#mustKeep()) {
      if (this.#record.end < place) this.#record.skipTo(place);
      for (let i = 0; i < count; i++) this.#record.append(bytes.subarray(starts[i], ends[i]));
      this.#bound();
    }
    return this.#flows();
  }

  onDrain(listener: () => void): void {
    this.#onDrain = listener;
  }

  end(): void {
    if (this.#state !== 'flowing') return;
    const outcome = this.#reply.outcome();
    const whole = this.#isWhole && outcome.kind === 'complete' ? Buffer.from(this.#record.from(0)) : null;
    this.#patience?.cancel();
    this.#state = 'ended';
    // What is left to be read is here: the worker's part is over.
    this.#reply.ended.settle(outcome);
    this.#options.onEnd(whole);
    for (const reader of [...this.#readers]) reader.finish();
    if (this.#readers.size === 0) this.#record.forget();
  }

  destroy(): void {
    if (this.#state !== 'flowing') return;
    const outcome = this.#reply.outcome();
    const readers = [...this.#readers];
    this.#over('cut');
    this.#reply.ended.settle(outcome.kind === 'broken' ? outcome : { kind: 'disconnected', phase: 'stream' });
    for (const reader of readers) reader.cut();
  }

  // === for its readers ===

  get hasEnded(): boolean {
    return this.#state === 'ended';
  }

  get isCut(): boolean {
    return this.#state === 'cut';
  }

  /** What has come from that place on. */
  from(place: number): Buffer {
    return this.#record.from(place);
  }

  get total(): number {
    return this.#total;
  }

  /** A reader can take more than before. */
  released(): void {
    const listener = this.#onDrain;
    if (listener === null || this.#state !== 'flowing' || !this.#flows()) return;
    this.#onDrain = null;
    listener();
  }

  endsFor(reader: Reader, reason: GatewayError): boolean {
    if (this.#state !== 'flowing' || this.#readers.size > 1 || !this.#readers.has(reader)) return false;
    this.#options.onBroken(reason);
    return true;
  }

  /** A reader has left, or has all of it. */
  left(reader: Reader): void {
    if (!this.#readers.delete(reader)) return;
    if (this.#state === 'ended' || this.#state === 'cut') {
      if (this.#readers.size === 0) this.#record.forget();
      return;
    }
    if (this.#readers.size === 0) this.#options.onDeserted();
    this.released();
  }

  #mustKeep(): boolean {
    if (this.#isWhole) return true;
    for (const reader of this.#readers) if (!reader.isAt(this.#total)) return true;
    this.#record.forget();
    return false;
  }

  /** Nothing is kept beyond what a reader may fall behind; one that has fallen further behind is cut. */
  #bound(): void {
    const { mostBytes, memory } = this.#options;
    if (this.#record.size <= mostBytes && !memory.isFull) return;
    this.#isWhole = false;
    const tip = this.#total;
    let slowest = tip;
    for (const reader of [...this.#readers]) {
      if (tip - reader.place > mostBytes) {
        this.#readers.delete(reader);
        reader.cut();
      } else slowest = Math.min(slowest, reader.place);
    }
    this.#record.forgetBefore(slowest);
    if (this.#readers.size === 0) this.#options.onDeserted();
  }

  /** Whether anyone can take more; true where nobody reads, and it is kept for those to come. */
  #flows(): boolean {
    if (this.#readers.size === 0) return true;
    const { clock, mostBytes } = this.#options;
    let someTake = false;
    let waitMs = 0;
    for (const reader of this.#readers) {
      if (reader.takes) someTake = true;
      else if (this.#total - reader.place > mostBytes / 2) waitMs = Math.max(waitMs, reader.heldSince + STUCK_MS - clock.now());
    }
    if (someTake && waitMs > 0) this.#patience ??= clock.after(waitMs, () => this.#lookAgain());
    return someTake && waitMs <= 0;
  }

  #lookAgain(): void {
    this.#patience = null;
    this.released();
  }

  #over(state: 'ended' | 'cut'): void {
    this.#patience?.cancel();
    this.#state = state;
    this.#isWhole = false;
    this.#readers.clear();
    this.#record.forget();
    this.#options.onEnd(null);
  }
}

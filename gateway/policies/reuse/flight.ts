import type { Call } from '../../core/call.ts';
import { Cancellation } from '../../core/cancellation.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Handler } from '../../core/handler.ts';
import { Ending, type Outcome, type Reply } from '../../core/reply.ts';
import type { RecordMemory } from './answer-record.ts';
import { SharedAnswer } from './shared-answer.ts';

/** An answer that is there in full, as it can be given again. */
export interface WholeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
}

/** What all flights of one policy have in common. */
export interface Field {
  readonly clock: Clock;
  readonly memory: RecordMemory;
  /** More of a stream is not kept for those who come later. */
  readonly mostBytes: () => number;
  /** How long one goes on whose last asker has hung up before it was answered. */
  readonly graceMs: () => number;
}

interface FlightOptions {
  /** Once, when nothing more comes of it, and never before the flight is there. `whole`: the answer, where it is one that can be given again. */
  readonly onEnd: (whole: WholeAnswer | null, call: Call) => void;
  /** Whether the answer is wanted when it has ended. */
  readonly isKept: boolean;
}

type State = { readonly kind: 'answered'; readonly reply: Reply } | { readonly kind: 'failed'; readonly error: unknown };

/**
 * One call to the workers on behalf of all who ask the same. The first is who has brought it about: what it costs is his, and when he leaves,
 * the next one's. It ends when the last of them has gone.
 */
export class Flight {
  /** As the workers see it: with the first one's name, and an end of its own. */
  readonly call: Call;
  readonly #field: Field;
  readonly #options: FlightOptions;
  /** Who waits for the answer, or reads it; in the order in which they came. */
  readonly #crew = new Set<Call>();
  #payer: Call;
  #state: State | null = null;
  #shared: SharedAnswer | null = null;
  #waiting: (() => void)[] | null = null;
  /** The last who asked has hung up, and is counted as there until somebody else comes, it ends, or its time is over. */
  #ghost: { readonly leave: () => void; readonly timer: Timer } | null = null;
  #hasEnded = false;
  /** Nobody but who pays for it can have the answer. */
  #isForOne = false;

  constructor(first: Call, field: Field, options: FlightOptions) {
    this.#field = field;
    this.#options = options;
    this.#payer = first;
    this.call = { ...first, cancellation: new Cancellation() };
  }

  /** Begins. What it throws is kept for those who wait. */
  start(next: Handler): void {
    let reply: Promise<Reply>;
    try {
      reply = next(this.call);
    } catch (error) {
      return this.#onFailed(error);
    }
    reply.then(
      (given) => this.#onReply(given),
      (error: unknown) => this.#onFailed(error),
    );
  }

  /** Whether whoever comes now gets all of the answer. */
  get isOpen(): boolean {
    if (this.#hasEnded || this.call.cancellation.cancelled) return false;
    return this.#state === null || (this.#shared?.isOpen ?? false);
  }

  /**
   * The answer, for one who asks.
   * @throws what the call failed with, which is each one's own to deal with · the reason of the asker's cancellation
   */
  board(call: Call): Promise<Reply> {
    this.#crew.add(call);
    this.#dispel();
    if (call !== this.#payer) call.rides = this.call;
    return new Promise((resolve, reject) => {
      if (this.#state !== null) return this.#hand(call, resolve, reject);
      let isHere = true;
      const leave = (reason: GatewayError): void => {
        isHere = false;
        this.#leave(call, reason);
        reject(reason);
      };
      const offCancel = call.cancellation.onCancel((reason) => {
        if (!this.#stays(call, reason)) return leave(reason);
        this.#ghost = { leave: () => leave(reason), timer: this.#field.clock.after(this.#field.graceMs(), () => this.#dispel()) };
      });
      (this.#waiting ??= []).push(() => {
        offCancel();
        if (this.#ghost !== null) this.#dispel();
        else if (isHere) this.#hand(call, resolve, reject);
      });
    });
  }

  #onFailed(error: unknown): void {
    this.#state = { kind: 'failed', error };
    this.#end(null);
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting !== null) for (const hear of waiting) hear();
  }

  #onReply(reply: Reply): void {
    const { cancelled, reason } = this.call.cancellation;
    if (cancelled) {
      reply.ended.settle({ kind: 'disconnected', phase: this.call.journey.phase });
      return this.#onFailed(reason);
    }
    this.#state = { kind: 'answered', reply };
    const { status, headers, body } = reply;
    if (body.kind === 'bytes') {
      const outcome = reply.outcome();
      // All of it is here: the worker's part is over.
      reply.ended.settle(outcome);
      const isKept = this.#options.isKept && outcome.kind === 'complete' && reply.relayed;
      this.#end(isKept ? { status, headers, bytes: Buffer.from(body.bytes as Uint8Array) } : null);
      return this.#wake();
    }
    if (headers['content-type']?.startsWith('text/event-stream') !== true) {
      // Too large to be kept for others: whoever brought it about reads it alone.
      this.#isForOne = true;
      return this.#wake();
    }
    const { clock, memory, mostBytes } = this.#field;
    this.#shared = new SharedAnswer(reply, {
      clock,
      memory,
      mostBytes: mostBytes(),
      onDeserted: () => {
        if (this.#crew.size === 0) this.#giveUp(null);
      },
      onBroken: (reason) => this.call.cancellation.cancel(reason),
      onEnd: (bytes) => this.#end(bytes && this.#options.isKept && reply.relayed ? { status, headers, bytes } : null),
    });
    this.#wake();
  }

  #hand(call: Call, resolve: (reply: Reply) => void, reject: (error: unknown) => void): void {
    const state = this.#state!;
    if (state.kind === 'failed') {
      this.#crew.delete(call);
      return reject(state.error);
    }
    const isPayer = call === this.#payer;
    if (this.#isForOne) return isPayer ? this.#handWhole(call, state.reply, resolve) : this.#sendAway(call, reject);
    const reply = this.#shared ? this.#shared.read(call, !isPayer, isPayer) : copyOf(state.reply, call, isPayer);
    reply.ended.onSettled(() => this.#leave(call, null));
    resolve(reply);
  }

  #handWhole(call: Call, reply: Reply, resolve: (reply: Reply) => void): void {
    const offCancel = call.cancellation.onCancel((reason) => this.call.cancellation.cancel(reason));
    reply.ended.onSettled(() => {
      offCancel();
      this.#crew.delete(call);
      this.#end(null);
    });
    resolve(reply);
  }

  #sendAway(call: Call, reject: (error: unknown) => void): void {
    this.#crew.delete(call);
    reject(new GatewayError('upstream_error', 'The answer is too large to be shared.'));
  }

  /**
   * Whether what it asked for goes on without it, because it may come back: at its cost, and with its place among those that run. A stream
   * could not be given to whoever comes back while it runs.
   */
  #stays(call: Call, reason: GatewayError): boolean {
    const isAlone = this.#crew.size === 1 && this.#crew.has(call);
    return reason.kind === 'client_disconnected' && isAlone && !call.peek.stream && this.#field.graceMs() > 0;
  }

  #dispel(): void {
    const ghost = this.#ghost;
    this.#ghost = null;
    ghost?.timer.cancel();
    ghost?.leave();
  }

  #leave(call: Call, reason: GatewayError | null): void {
    this.#crew.delete(call);
    if (call === this.#payer) this.#handOver();
    if (this.#crew.size === 0 && !this.#hasEnded) this.#giveUp(reason);
  }

  /** What it has cost, and will cost, is somebody else's from now on. */
  #handOver(): void {
    const next = this.#crew.values().next().value;
    if (next === undefined || this.#hasEnded) return;
    this.#payer = next;
  }

  #giveUp(reason: GatewayError | null): void {
    this.call.cancellation.cancel(reason ?? new GatewayError('client_disconnected', 'Everyone who asked for it has gone.'));
    const outcome: Outcome = { kind: 'disconnected', phase: this.call.journey.phase };
    this.#shared?.abandon(outcome);
    if (!this.#isForOne || this.#state?.kind !== 'answered') return;
    this.#state.reply.ended.settle(outcome);
    this.#end(null);
  }

  #end(whole: WholeAnswer | null): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    // Who pays now was not there when workers were asked.
    if (this.#payer.attempts !== this.call.attempts) this.#payer.attempts.push(...this.call.attempts);
    this.#options.onEnd(whole, this.call);
  }
}

/** A whole answer, for one of those who asked for it. */
function copyOf(reply: Reply, call: Call, isPayer: boolean): Reply {
  if (!isPayer && reply.body.kind === 'bytes') call.journey.bytesOut += reply.body.bytes.length;
  return { ...reply, relayed: isPayer && reply.relayed, ended: new Ending() };
}

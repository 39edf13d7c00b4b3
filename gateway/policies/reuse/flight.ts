import type { Call } from '../../core/call.ts';
import { Cancellation } from '../../core/cancellation.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Handler } from '../../core/handler.ts';
import { Ending, type Reply } from '../../core/reply.ts';
import type { RecordMemory } from './answer-record.ts';
import { SharedAnswer } from './shared-answer.ts';

/** An answer that is there in full, as it can be given again. */
export interface WholeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
}

interface FlightOptions {
  readonly clock: Clock;
  readonly memory: RecordMemory;
  readonly mostBytes: number;
  /** How long it goes on when everyone has left. Default: it does not. */
  readonly graceMs?: number;
  /** Once, when nothing more comes of it. `whole`: the answer, where it is one that can be given again. */
  readonly onEnd: (whole: WholeAnswer | null, call: Call) => void;
}

type State = { readonly kind: 'answered'; readonly reply: Reply } | { readonly kind: 'failed'; readonly error: unknown };

/**
 * One call to the workers on behalf of all who ask the same. The first is who has brought it about: what it costs is his, and when he leaves,
 * the next one's. It ends when the last of them has gone.
 */
export class Flight {
  /** As the workers see it: with the first one's name, and an end of its own. */
  readonly call: Call;
  readonly #options: FlightOptions;
  /** Who waits for the answer, or reads it; in the order in which they came. */
  readonly #crew = new Set<Call>();
  #payer: Call;
  #state: State | null = null;
  #shared: SharedAnswer | null = null;
  #waiting: (() => void)[] = [];
  #grace: Timer | null = null;
  #hasEnded = false;

  constructor(first: Call, next: Handler, options: FlightOptions) {
    this.#options = options;
    this.#payer = first;
    this.call = { ...first, cancellation: new Cancellation() };
    // What is thrown is kept for those who wait.
    void this.#fly(next);
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
    this.#grace?.cancel();
    this.#grace = null;
    this.#crew.add(call);
    return new Promise((resolve, reject) => {
      if (this.#state !== null) return this.#hand(call, resolve, reject);
      let isHere = true;
      const offCancel = call.cancellation.onCancel((reason) => {
        isHere = false;
        this.#leave(call, reason);
        reject(reason);
      });
      this.#waiting.push(() => {
        offCancel();
        if (isHere) this.#hand(call, resolve, reject);
      });
    });
  }

  async #fly(next: Handler): Promise<void> {
    try {
      this.#onReply(await next(this.call));
    } catch (error) {
      this.#state = { kind: 'failed', error };
      this.#end(null);
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const hear of waiting) hear();
  }

  #onReply(reply: Reply): void {
    const { cancelled, reason } = this.call.cancellation;
    if (cancelled) {
      reply.ended.settle({ kind: 'disconnected', phase: this.call.journey.phase });
      this.#state = { kind: 'failed', error: reason };
      return this.#end(null);
    }
    this.#state = { kind: 'answered', reply };
    const { status, headers, body } = reply;
    if (body.kind === 'bytes') {
      const outcome = reply.outcome();
      // All of it is here: the worker's part is over.
      reply.ended.settle(outcome);
      const bytes = typeof body.bytes === 'string' ? Buffer.from(body.bytes) : Buffer.from(body.bytes);
      return this.#end(outcome.kind === 'complete' && reply.relayed ? { status, headers, bytes } : null);
    }
    const { clock, memory, mostBytes } = this.#options;
    this.#shared = new SharedAnswer(reply, {
      clock,
      memory,
      mostBytes,
      onDeserted: () => {
        if (this.#crew.size === 0) this.#desert();
      },
      onBroken: (reason) => this.call.cancellation.cancel(reason),
      onEnd: (bytes) => this.#end(bytes && reply.relayed ? { status, headers, bytes } : null),
    });
    // Nobody may be there to begin with, and yet somebody may come.
    if (this.#crew.size === 0) this.#shared.start();
  }

  #hand(call: Call, resolve: (reply: Reply) => void, reject: (error: unknown) => void): void {
    const state = this.#state!;
    if (state.kind === 'failed') {
      this.#crew.delete(call);
      return reject(state.error);
    }
    const isPayer = call === this.#payer;
    const reply = this.#shared ? this.#shared.read(call, !isPayer, isPayer) : copyOf(state.reply, call, isPayer);
    reply.ended.onSettled(() => this.#leave(call, null));
    resolve(reply);
  }

  #leave(call: Call, reason: GatewayError | null): void {
    this.#crew.delete(call);
    if (call === this.#payer) this.#handOver();
    if (this.#crew.size === 0 && !this.#hasEnded) this.#desert(reason);
  }

  /** What it has cost, and will cost, is somebody else's from now on. */
  #handOver(): void {
    const next = this.#crew.values().next().value;
    if (next === undefined || this.#hasEnded) return;
    this.#payer = next;
  }

  #desert(reason: GatewayError | null = null): void {
    const { clock, graceMs = 0 } = this.#options;
    if (graceMs > 0 && this.#grace === null && !this.call.cancellation.cancelled) {
      this.#grace = clock.after(graceMs, () => this.#giveUp(null));
      this.#shared?.start();
      return;
    }
    if (graceMs === 0) this.#giveUp(reason);
  }

  #giveUp(reason: GatewayError | null): void {
    this.call.cancellation.cancel(reason ?? new GatewayError('client_disconnected', 'Everyone who asked for it has gone.'));
    this.#shared?.abandon({ kind: 'disconnected', phase: this.call.journey.phase });
  }

  #end(whole: WholeAnswer | null): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#grace?.cancel();
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

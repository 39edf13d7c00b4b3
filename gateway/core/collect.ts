import type { Call } from './call.ts';
import { GatewayError } from './errors.ts';
import type { Outcome, Reply, Sink } from './reply.ts';
import type { FrameBatch } from './transport.ts';

/** A reply that nobody read as it came: what a line of a batch, or a cache, makes of one. */
export interface Collected {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Whole if the outcome is `complete` or `refused`; otherwise what had come. */
  readonly bytes: Buffer;
  readonly outcome: Outcome;
}

/**
 * Reads a reply to its end in place of a client, and settles its ending as a server adapter does. Hears the call's cancellation: a reply
 * that then says no more ends as `disconnected`. A body of more than `maxBytes` cancels the call and ends as `broken`.
 * Never rejects.
 */
export function collect(call: Pick<Call, 'cancellation' | 'journey'>, reply: Reply, maxBytes: number): Promise<Collected> {
  return new Promise((resolve) => {
    new Collector(call, reply, maxBytes, resolve).start();
  });
}

class Collector implements Sink {
  readonly #call: Pick<Call, 'cancellation' | 'journey'>;
  readonly #reply: Reply;
  readonly #maxBytes: number;
  readonly #resolve: (collected: Collected) => void;
  readonly #pieces: Uint8Array[] = [];
  #bytes = 0;
  #over = false;
  #offCancel: (() => void) | null = null;

  constructor(call: Pick<Call, 'cancellation' | 'journey'>, reply: Reply, maxBytes: number, resolve: (collected: Collected) => void) {
    this.#call = call;
    this.#reply = reply;
    this.#maxBytes = maxBytes;
    this.#resolve = resolve;
  }

  start(): void {
    const { body } = this.#reply;
    if (body.kind === 'bytes') {
      this.write(typeof body.bytes === 'string' ? Buffer.from(body.bytes) : body.bytes);
      this.end();
      return;
    }
    body.start(this);
    // Whoever pushes hears of a cancellation before this does, and has said its last words by then, if it has any.
    if (!this.#over) this.#offCancel = this.#call.cancellation.onCancel(() => this.destroy());
  }

  // === as a sink: never slow ===

  write(payload: Uint8Array): boolean {
    if (this.#over) return true;
    if (this.#bytes + payload.length > this.#maxBytes) {
      this.#onTooLong();
      return true;
    }
    this.#bytes += payload.length;
    this.#pieces.push(payload);
    return true;
  }

  writeFrames({ bytes, count, starts, ends }: FrameBatch): boolean {
    for (let i = 0; i < count; i++) this.write(bytes.subarray(starts[i], ends[i]));
    return true;
  }

  onDrain(): void {}

  end(): void {
    this.#settle(this.#reply.outcome());
  }

  destroy(): void {
    const outcome = this.#reply.outcome();
    this.#settle(outcome.kind === 'broken' ? outcome : { kind: 'disconnected', phase: this.#call.journey.phase });
  }

  #onTooLong(): void {
    const error = new GatewayError('upstream_error', `The answer is longer than ${this.#maxBytes} bytes.`);
    this.#settle({ kind: 'broken', error });
    this.#call.cancellation.cancel(error);
  }

  #settle(outcome: Outcome): void {
    if (this.#over) return;
    this.#over = true;
    this.#offCancel?.();
    this.#reply.ended.settle(outcome);
    const { status, headers } = this.#reply;
    this.#resolve({ status, headers, bytes: Buffer.concat(this.#pieces, this.#bytes), outcome });
  }
}

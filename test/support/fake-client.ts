import type { Call } from '../../gateway/core/call.ts';
import type { Outcome, Reply, Sink } from '../../gateway/core/reply.ts';
import type { FrameBatch } from '../../gateway/core/transport.ts';
import { clientGone } from './fake-call.ts';

/**
 * A client, and the server adapter between it and the policies: takes a reply, reads at the pace it is told to, and goes away when it is
 * told to. Settles `ended` as the adapter does: at the last byte, or at the disconnect.
 */
export class FakeClient implements Sink {
  readonly #call: Call;
  #reply: Reply | null = null;
  #onDrain: (() => void) | null = null;
  #ending = false;
  /** While true, writes say that they should be the last. */
  slow = false;
  closed = false;
  /** Whether the gateway cut the connection. */
  cut = false;
  /** Whether the last byte has been delivered. */
  complete = false;
  outcome: Outcome | null = null;
  /** Times `ended` was settled by this side: never more than once. */
  settledTimes = 0;
  /** What has been received of the body. */
  text = '';
  /** Comments that were written although the last write had said to wait. */
  unasked = 0;
  #full = false;

  constructor(call: Call) {
    this.#call = call;
  }

  get reply(): Reply | null {
    return this.#reply;
  }

  // === what the adapter is given ===

  receive(reply: Reply): void {
    if (this.#reply) throw new Error(`${this.#call.id} got a second reply`);
    this.#reply = reply;
    void reply.ended.promise.then((outcome) => {
      this.outcome = outcome;
    });
    if (this.closed) {
      this.#settle({ kind: 'disconnected', phase: this.#call.journey.phase });
    } else if (reply.body.kind === 'bytes') {
      this.text = String(reply.body.bytes);
      this.end();
    } else reply.body.start(this);
  }

  write(payload: Uint8Array): boolean {
    return this.#take(Buffer.from(payload).toString('utf8'));
  }

  writeFrames({ bytes, count, starts, ends }: FrameBatch): boolean {
    let text = '';
    for (let i = 0; i < count; i++) text += bytes.toString('utf8', starts[i], ends[i]);
    return this.#take(text);
  }

  onDrain(listener: () => void): void {
    this.#onDrain = listener;
  }

  end(): void {
    if (this.#ending) throw new Error(`the body of ${this.#call.id} was ended twice`);
    this.#ending = true;
    if (!this.slow) this.#finish();
  }

  destroy(): void {
    this.cut = true;
    this.close();
  }

  // === what the test does ===

  /** Reads what there is, and goes on reading. */
  drain(): void {
    this.slow = this.#full = false;
    const listener = this.#onDrain;
    this.#onDrain = null;
    if (this.closed) return;
    listener?.();
    if (this.#ending) this.#finish();
  }

  /** Goes away, whatever it has received so far. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    const { phase } = this.#call.journey;
    this.#call.cancellation.cancel(clientGone());
    if (!this.#reply) return;
    const outcome = this.#reply.outcome();
    this.#settle(outcome.kind === 'broken' ? outcome : { kind: 'disconnected', phase });
  }

  #take(text: string): boolean {
    if (this.#ending) throw new Error(`${this.#call.id} was written to after its end`);
    if (this.closed) return true;
    if (this.#full && text.startsWith(':')) this.unasked++;
    this.text += text;
    this.#full ||= this.slow;
    return !this.slow;
  }

  #finish(): void {
    if (this.closed) return;
    this.complete = true;
    this.closed = true;
    this.#settle(this.#reply!.outcome());
  }

  #settle(outcome: Outcome): void {
    if (this.#reply!.ended.settle(outcome)) this.settledTimes++;
  }
}

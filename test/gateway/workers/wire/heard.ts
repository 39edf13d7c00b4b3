import type { FrameBatch, UpstreamExchange, UpstreamFailure, UpstreamHead, UpstreamListener } from '../../../../gateway/core/transport.ts';
import { payloadOf } from '../../openai/frames.ts';

/** A listener that remembers what it was told, and holds the transport to the order that it promises. */
export class Heard implements UpstreamListener {
  /** sent, head, frames, data, end, failed: a name for every call, repeated ones once. */
  readonly order: string[] = [];
  head: UpstreamHead | null = null;
  failure: UpstreamFailure | null = null;
  payload = '';
  /** Called at every piece of payload. */
  onPiece: (() => void) | null = null;
  /** Resolves at the end or the failure. */
  readonly over: Promise<void>;
  #resolve!: () => void;

  constructor() {
    this.over = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  onSent(): void {
    this.#told('sent');
  }

  onHead(head: UpstreamHead): void {
    this.head = head;
    this.#told('head');
  }

  onFrames(batch: FrameBatch): void {
    this.payload += payloadOf(batch).toString('latin1');
    this.#told('frames');
    this.onPiece?.();
  }

  onData(bytes: Buffer): void {
    this.payload += bytes.toString('latin1');
    this.#told('data');
    this.onPiece?.();
  }

  onEnd(): void {
    this.#told('end');
    this.#resolve();
  }

  onFailed(failure: UpstreamFailure): void {
    this.failure = failure;
    this.#told('failed');
    this.#resolve();
  }

  #told(what: string): void {
    const last = this.order.at(-1);
    if (last === 'end' || last === 'failed') throw new Error(`told ${what} after ${last}`);
    if (last !== what) this.order.push(what);
  }
}

/** An exchange and what is heard of it. */
export interface Spoken {
  readonly heard: Heard;
  readonly exchange: UpstreamExchange;
}

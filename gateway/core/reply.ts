import type { GatewayError } from './errors.ts';
import type { Phase } from './call.ts';
import type { FrameBatch } from './transport.ts';

/** How a call ended, known at the last byte. */
export type Outcome =
  /** The worker's answer (or the gateway's own) was delivered whole. */
  | { readonly kind: 'complete'; readonly status: number }
  /** The gateway answered with an error before any byte of a worker's answer. */
  | { readonly kind: 'refused'; readonly error: GatewayError }
  /** The answer had begun and ended with an error event. */
  | { readonly kind: 'broken'; readonly error: GatewayError }
  /** The client went away. */
  | { readonly kind: 'disconnected'; readonly phase: Phase };

/** Settles once; whoever comes second is not heard. */
export class Ending {
  readonly promise: Promise<Outcome>;
  #resolve!: (outcome: Outcome) => void;
  #settled = false;

  constructor() {
    this.promise = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get settled(): boolean {
    return this.#settled;
  }

  settle(outcome: Outcome): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#resolve(outcome);
    return true;
  }
}

/**
 * Where a reply's body is pushed. The server adapter hands its socket behind this face.
 * Chunk frames are whole HTTP/1.1 chunks as they came from the worker (size line, data, CRLF): where the client's side is
 * chunked too they are passed on untouched.
 */
export interface Sink {
  /** Writes payload bytes. False: hold until `onDrain`. */
  write(payload: Uint8Array): boolean;
  /** Writes whole chunk frames. False: hold until `onDrain`. */
  writeFrames(batch: FrameBatch): boolean;
  /** The next drain calls `listener`. One listener at a time. */
  onDrain(listener: () => void): void;
  /** Ends the body. */
  end(): void;
  /** The client can no longer be answered: cut its connection. */
  destroy(): void;
}

type ReplyBody =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array | string }
  /** `start` is called once, when the head has been written; it pushes until it calls `sink.end`. */
  | { readonly kind: 'pushed'; readonly start: (sink: Sink) => void };

export interface Reply {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ReplyBody;
  /** Whether a worker gave this answer: then the head names it. */
  readonly relayed: boolean;
  /** Settled by the server adapter at the last byte, the error or the disconnect. */
  readonly ended: Ending;
  /** What to report when the body has been delivered whole; `broken` is set by the relay as it happens. */
  readonly outcome: () => Outcome;
}

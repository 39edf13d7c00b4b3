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
  #outcome: Outcome | null = null;
  #listeners: ((outcome: Outcome) => void)[] = [];

  get settled(): boolean {
    return this.#outcome !== null;
  }

  /** For those who can wait: `onSettled` costs a call less. */
  get promise(): Promise<Outcome> {
    return new Promise((resolve) => this.onSettled(resolve));
  }

  /** Calls `listener` once, as it settles (at once, if it has), after those that asked before. */
  onSettled(listener: (outcome: Outcome) => void): void {
    if (this.#outcome === null) this.#listeners.push(listener);
    else listener(this.#outcome);
  }

  settle(outcome: Outcome): boolean {
    if (this.#outcome !== null) return false;
    this.#outcome = outcome;
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) {
      try {
        listener(outcome);
      } catch (error) {
        // Others have something to give back, too. It is heard of as a rejection that nobody expected.
        void Promise.reject(error);
      }
    }
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
  /** Where it is an answer of before: the name of the request that it was made for. Absent: it is this one's. */
  readonly requestId?: string;
  /** Whether a worker gave this answer: then the head names it. */
  readonly relayed: boolean;
  /** Settled by the server adapter at the last byte, the error or the disconnect. */
  readonly ended: Ending;
  /** What to report when the body has been delivered whole; `broken` is set by the relay as it happens. */
  readonly outcome: () => Outcome;
}

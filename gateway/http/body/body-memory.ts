import { GatewayError } from '../../core/errors.ts';

/** Whole bodies of the largest allowed size that may be in memory together: 512 MiB with the default limit of 32 MiB each. */
const LARGEST_BODIES = 16;

/**
 * How many bytes of large request bodies are being read or waiting in queues, so that many together are refused instead of filling the
 * memory. What has arrived counts, not what a client announces: otherwise a few that announce much and send nothing would shut all others out.
 */
export class BodyMemory {
  readonly #maxBodyBytes: () => number;
  #held = 0;

  constructor(maxBodyBytes: () => number) {
    this.#maxBodyBytes = maxBodyBytes;
  }

  get heldBytes(): number {
    return this.#held;
  }

  /** Room for one request's body; none is taken yet. */
  open(): BodyRoom {
    return new BodyRoom((change) => {
      if (change > 0 && this.#held + change > LARGEST_BODIES * this.#maxBodyBytes()) {
        throw new GatewayError('queue_full', 'Too many large requests are being handled at once. Retry shortly.');
      }
      this.#held += change;
    });
  }
}

/** Bodies up to this size are not counted: however many wait, the queue's own bound is enough. */
const SMALL_BYTES = 65_536;

/** One request's share. Releasing it twice does nothing. */
class BodyRoom {
  readonly #change: (bytes: number) => void;
  #bytes = 0;

  constructor(change: (bytes: number) => void) {
    this.#change = change;
  }

  /** Sets how much is held now. @throws queue_full when that is more than there is room for */
  resize(bytes: number): void {
    const counted = bytes > SMALL_BYTES ? bytes : 0;
    if (counted === this.#bytes) return;
    this.#change(counted - this.#bytes);
    this.#bytes = counted;
  }

  release(): void {
    this.resize(0);
  }
}

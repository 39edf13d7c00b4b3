import type { WorkerLife } from '../../core/worker.ts';
import type { SeenEvent } from './stream-reader.ts';

const FINGERPRINT = '"system_fingerprint"';
/** What each engine signs its last events with. It is the same for all of them, and told with the first usage. */
const fingerprints = new WeakMap<WorkerLife, string>();

/**
 * Takes the usage, which we asked for and the client did not, out of a stream again. Nothing is left of it: an engine that tells the usage
 * signs that event instead of the ones that finish a choice (vLLM, chat_completion/serving.py), so these are signed here.
 */
export class UsageAsked {
  readonly #life: WorkerLife | null;
  /** The event that finished the last choice, until its signature is known. */
  #held: Buffer | null = null;

  constructor(life: WorkerLife | null) {
    this.#life = life;
  }

  /** @returns what goes to the client now; null: nothing */
  take({ bytes, says }: SeenEvent): Buffer | null {
    switch (says.kind) {
      case 'finish': {
        const known = this.#life && fingerprints.get(this.#life);
        if (known || bytes.includes(FINGERPRINT)) return this.#after(known ? signed(bytes, known) : bytes);
        const before = this.rest();
        this.#held = bytes;
        return before;
      }
      case 'usage': {
        const { fingerprint } = says;
        if (fingerprint === null) return this.rest();
        if (this.#life) fingerprints.set(this.#life, fingerprint);
        const held = this.rest();
        return held && signed(held, fingerprint);
      }
      default:
        return this.#after(bytes);
    }
  }

  /** What is still held, when nothing more comes. */
  rest(): Buffer | null {
    const held = this.#held;
    this.#held = null;
    return held;
  }

  #after(bytes: Buffer): Buffer {
    const held = this.rest();
    return held ? Buffer.concat([held, bytes]) : bytes;
  }
}

/** An event whose data ends with the signature, as vLLM writes it. */
function signed(event: Buffer, fingerprint: string): Buffer {
  const end = event.lastIndexOf('}');
  if (end < 0 || event.includes(FINGERPRINT)) return event;
  return Buffer.concat([event.subarray(0, end), Buffer.from(`,${FINGERPRINT}:${JSON.stringify(fingerprint)}`), event.subarray(end)]);
}

import { LRUCache } from 'lru-cache';
import type { Clock } from '../../core/clock.ts';
import type { Eviction } from '../../core/events.ts';
import { Ending, type Outcome, type Reply } from '../../core/reply.ts';
import type { WholeAnswer } from './flight.ts';
import type { Claim, ClaimedShelf, Kept, Shelf } from './shelf.ts';

export interface ShelfSettings {
  readonly max_entries: number;
  readonly max_bytes: number;
  readonly ttl_ms: number;
}

interface Entry<About> {
  readonly answer: WholeAnswer;
  readonly about: About;
  /** Monotonic ms. */
  readonly since: number;
}

/** Beside the bytes of a body: its head, its key, and what holds them. */
const OVERHEAD_BYTES = 1_024;

/** Whole answers, as many and as long as may be kept; the one that was wanted longest ago goes first. */
export class AnswerShelf<About extends object> implements Shelf<About>, ClaimedShelf<About> {
  readonly #clock: Clock;
  readonly #kept: LRUCache<string, Entry<About>>;

  constructor(clock: Clock, { max_entries, max_bytes, ttl_ms }: ShelfSettings, onEvicted?: (why: Eviction) => void) {
    this.#clock = clock;
    this.#kept = new LRUCache({
      max: max_entries,
      maxSize: max_bytes,
      ttl: ttl_ms,
      // Otherwise it would keep a timer of its own.
      ttlResolution: 0,
      perf: clock,
      sizeCalculation: ({ answer }) => answer.bytes.length + OVERHEAD_BYTES,
      disposeAfter: (_, __, reason) => {
        if (reason === 'fetch') return;
        onEvicted?.(({ evict: 'full', expire: 'expired', delete: 'stale', set: 'replaced' } as const)[reason]);
      },
    });
  }

  get entries(): number {
    return this.#kept.size;
  }

  get bytes(): number {
    return this.#kept.calculatedSize;
  }

  put(key: string, answer: WholeAnswer, about: About): void {
    this.#kept.set(key, { answer, about, since: this.#clock.now() });
  }

  get(key: string): Kept<About> | null {
    const kept = this.#kept.get(key);
    return kept === undefined ? null : { answer: kept.answer, about: kept.about, ageMs: this.#clock.now() - kept.since };
  }

  drop(key: string): void {
    this.#kept.delete(key);
  }

  /** In one process whoever is at it is known otherwise. */
  claim(key: string): Claim<About> {
    const kept = this.get(key);
    return kept === null ? { kind: 'ours' } : { kind: 'done', kept };
  }

  renew(): void {}

  release(): void {}
}

/** Gives an answer again, as it was: a stream as a stream. */
export function replay({ status, headers, bytes }: WholeAnswer, more: Readonly<Record<string, string>>): Reply {
  const isStream = headers['content-type']?.startsWith('text/event-stream') === true;
  const outcome: Outcome = { kind: 'complete', status };
  return {
    status,
    headers: { ...headers, ...more },
    body: isStream
      ? {
          kind: 'pushed',
          start(sink) {
            sink.write(bytes);
            sink.end();
          },
        }
      : { kind: 'bytes', bytes },
    relayed: false,
    ended: new Ending(),
    outcome: () => outcome,
  };
}

import { LRUCache } from 'lru-cache';
import type { Call } from '../../core/call.ts';
import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Events } from '../../core/events.ts';
import type { Handler, Layer } from '../../core/handler.ts';
import type { Reply } from '../../core/reply.ts';
import type { Worker, WorkerDirectory, WorkerLife } from '../../core/worker.ts';
import { type Normalizer, normalizer } from '../../openai/normalize.ts';
import { answerKey, exactKey, type Scope } from './answer-key.ts';
import type { RecordMemory } from './answer-record.ts';
import { AnswerShelf, replay, type ShelfSettings } from './answer-shelf.ts';
import { cacheWishes } from './cache-wishes.ts';
import { type Field, Flight, type WholeAnswer } from './flight.ts';
import type { Kept, Shelf } from './shelf.ts';
import { type Entry, Flights, signOf } from './flights.ts';

export interface CacheSettings extends ShelfSettings {
  readonly enabled: boolean;
  readonly max_entry_bytes: number;
  readonly scope: Scope;
  readonly normalize: readonly Normalizer[];
}

interface ReuseContext {
  readonly clock: Clock;
  readonly events: Pick<Events, 'cacheEvicted'>;
  readonly directory: Pick<WorkerDirectory, 'readyFor'>;
  readonly memory: RecordMemory;
  readonly cache: () => CacheSettings;
  /** Whether calls that ask the same at the same time share one answer. */
  readonly joins: () => boolean;
  /** Where answers are kept that several gateways share. Default: in this process. */
  readonly shelf?: Shelf<Origin> | undefined;
}

/** The engine that made an answer: another may have other weights, or other flags. */
export interface Origin {
  /** null: another gateway had it made, and only the birth of the engine says which it was. */
  readonly life: WorkerLife | null;
  /** See `WorkerLoad`. */
  readonly bornAt: number;
}

/** What is kept for those who come while it is made, where nothing is kept for later. */
const JOIN_BYTES = 1_048_576;

/** A longer request is looked for as it is: to take out what may differ would keep all others waiting. */
const MOST_NORMALIZED = 262_144;

/** Answers that were given before, and those that are being made, for calls that ask the same and leave nothing to chance. */
export class Reuse {
  readonly #context: ReuseContext;
  readonly #flights: Flights;
  readonly #field: Field;
  #settings: CacheSettings;
  #shelf: Shelf<Origin>;
  #ofText: ((text: string) => string) | null = null;
  /** By a request's bytes: what it has in common with others that may be given the same answer. */
  #known: LRUCache<string, string>;
  hits = 0;
  misses = 0;

  constructor(context: ReuseContext) {
    this.#context = context;
    this.#flights = new Flights(() => context.cache().scope);
    this.#settings = context.cache();
    const { clock, memory } = context;
    const mostBytes = (): number => (this.#settings.enabled ? Math.max(JOIN_BYTES, this.#settings.max_entry_bytes) : JOIN_BYTES);
    this.#field = { clock, memory, mostBytes, graceMs: () => 0 };
    [this.#shelf, this.#known] = this.#emptied();
  }

  /** The settings may have changed: what was kept under others is forgotten. */
  configure(): void {
    const settings = this.#context.cache();
    if (JSON.stringify(settings) === JSON.stringify(this.#settings)) return;
    this.#settings = settings;
    [this.#shelf, this.#known] = this.#emptied();
  }

  /** What is kept. */
  get kept(): { readonly entries: number; readonly bytes: number } {
    return { entries: this.#shelf.entries, bytes: this.#shelf.bytes };
  }

  /** Calls that others may join. */
  get underWay(): number {
    return this.#flights.size;
  }

  layer(): Layer {
    const { cache, joins } = this.#context;
    return (next) => {
      if (!cache().enabled && !joins()) return next;
      return (call) => {
        if (call.peek.decidingChars != null && call.only === null) return this.#reused(next, call);
        if (this.#settings.enabled) call.journey.cache = 'bypass';
        return next(call);
      };
    };
  }

  async #reused(next: Handler, call: Call): Promise<Reply> {
    const { enabled } = this.#settings;
    const joins = this.#context.joins();
    const wishes = cacheWishes(call.cacheControl);
    if (wishes.noStore && !wishes.onlyIfCached) {
      if (enabled) call.journey.cache = 'bypass';
      return next(call);
    }
    const key = enabled ? this.#keyOf(call) : null;
    if (key !== null && !wishes.noCache) {
      const found = this.#shelf.get(key);
      const kept = this.#given(key, found instanceof Promise ? await found : found, call, wishes.maxAge);
      call.cancellation.throwIfCancelled();
      if (kept !== null) return kept;
    }
    if (wishes.onlyIfCached)
      throw new GatewayError('not_cached', 'No answer to this request is kept, and none that is made now is wanted.');
    if (enabled) call.journey.cache = 'miss';
    const sign = joins ? signOf(call) : null;
    // Of two gateways that have each other as workers each could wait for what the other waits for.
    if (sign !== null && !wishes.noCache && call.cameBy.length === 0) {
      const flight = this.#flights.find(call, sign);
      if (flight !== null) return this.#joined(flight, next, call);
    }
    return sign === null && key === null ? next(call) : this.#begun(next, call, key, sign);
  }

  #begun(next: Handler, call: Call, key: string | null, sign: number | null): Promise<Reply> {
    if (key !== null) this.misses++;
    // What is kept later is kept as it is asked for now.
    const shelf = this.#shelf;
    let entry: Entry | null = null;
    const flight = new Flight(call, this.#field, {
      isKept: key !== null,
      onEnd: (whole, made) => {
        if (entry !== null) this.#flights.remove(entry);
        if (whole !== null && key !== null) this.#keep(shelf, key, whole, made);
      },
    });
    if (sign !== null) entry = this.#flights.add(flight, sign);
    flight.start(next);
    return flight.board(call);
  }

  /** A failure is each one's own: who had joined asks again, by himself. */
  async #joined(flight: Flight, next: Handler, call: Call): Promise<Reply> {
    const before = call.journey.cache;
    try {
      const reply = await flight.board(call);
      call.journey.cache = 'joined';
      return reply;
    } catch (error) {
      if (call.cancellation.cancelled) throw error;
      call.journey.cache = before;
      return next(call);
    }
  }

  #keyOf(call: Call): string | null {
    const { scope } = this.#settings;
    const exact = exactKey(call, scope);
    const known = this.#known.get(exact);
    if (known !== undefined) return known;
    const key = answerKey(call, scope, call.body.bytes.length > MOST_NORMALIZED ? null : this.#ofText);
    if (key !== null) this.#known.set(exact, key);
    return key;
  }

  #given(key: string, found: Kept<Origin> | null, call: Call, maxAge: number): Reply | null {
    if (found === null) return null;
    if (!this.#context.directory.readyFor(call.model).some((worker) => isOf(found.about, worker))) {
      this.#shelf.drop(key);
      return null;
    }
    const age = Math.floor(found.ageMs / 1000);
    if (age > maxAge) return null;
    this.hits++;
    call.journey.cache = 'hit';
    call.journey.bytesOut += found.answer.bytes.length;
    return replay(found.answer, { age: String(age) });
  }

  /**
   * Only of an engine that is known again: one that was ended and started within a moment has the same address and the same name. What a
   * fallback has answered is not what the model says.
   */
  #keep(shelf: Shelf<Origin>, key: string, whole: WholeAnswer, call: Call): void {
    if (call.journey.fallback !== null) return;
    const { life = null, bornAt = null } = call.attempts.at(-1) ?? {};
    if (call.journey.resume !== null || life === null || bornAt === null || whole.bytes.length > this.#settings.max_entry_bytes) return;
    shelf.put(key, whole, { life, bornAt });
  }

  #emptied(): [Shelf<Origin>, LRUCache<string, string>] {
    const { clock, events } = this.#context;
    const { max_entries, normalize } = this.#settings;
    this.#ofText = normalize.length > 0 ? normalizer(normalize) : null;
    const shelf = this.#context.shelf ?? new AnswerShelf<Origin>(clock, this.#settings, (why) => events.cacheEvicted(why));
    return [shelf, new LRUCache({ max: max_entries })];
  }
}

/** Whether the engine that made it is this worker's still. */
function isOf({ life, bornAt }: Origin, worker: Pick<Worker, 'life' | 'load'>): boolean {
  return worker.load.bornAt === bornAt && (life === null || worker.life === life);
}

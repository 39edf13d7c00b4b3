import { createHash } from 'node:crypto';
import type { Call } from '../../core/call.ts';
import { type Clock, repeat } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Handler, Layer } from '../../core/handler.ts';
import { flowOf } from '../../core/principal.ts';
import type { Reply } from '../../core/reply.ts';
import { idempotencyKeyOf, idempotencyKeyReused } from '../../openai/param-refusals.ts';
import type { RecordMemory } from './answer-record.ts';
import { AnswerShelf, replay } from './answer-shelf.ts';
import { type Field, Flight } from './flight.ts';
import type { Claim, ClaimedShelf, Kept } from './shelf.ts';

export interface IdempotencySettings {
  readonly enabled: boolean;
  readonly ttl_ms: number;
  readonly max_bytes: number;
  /** How long what nobody waits for any more goes on, so that whoever asks again finds it. */
  readonly join_grace_ms: number;
}

interface IdempotencyContext {
  readonly clock: Clock;
  readonly memory: RecordMemory;
  readonly settings: () => IdempotencySettings;
  /** Where answers are kept that several gateways share. Default: in this process. */
  readonly shelf?: ClaimedShelf<Asked> | undefined;
}

/** What was asked under a key. */
export interface Asked {
  readonly fingerprint: string;
  readonly requestId: string;
}

interface UnderWay extends Asked {
  readonly flight: Flight;
}

/** Where a request may carry a key; everywhere else nobody heeds it. */
const PATHS: ReadonlySet<string> = new Set(['/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/v1/responses', '/v1/messages']);
/** A larger answer is made again. */
const MOST_ENTRY_BYTES = 1_048_576;
const MOST_ENTRIES = 10_000;
const RETRY_MS = 1_000;
/** Three fit into what a gateway is believed for that it is at it. */
const RENEW_MS = 5_000;

/**
 * What comes twice under one key is done once: a client that did not get its answer asks again, and is given what was made, or waits for what
 * is being made. Only whole answers are kept; what failed or was refused is tried anew.
 */
export class Idempotency {
  readonly #context: IdempotencyContext;
  readonly #underWay = new Map<string, UnderWay>();
  /** Keys that somebody asks the store for. */
  readonly #claiming = new Map<string, Promise<unknown>>();
  readonly #field: Field;
  #settings: IdempotencySettings;
  #shelf: ClaimedShelf<Asked>;

  constructor(context: IdempotencyContext) {
    this.#context = context;
    this.#settings = context.settings();
    const { clock, memory } = context;
    this.#field = { clock, memory, mostBytes: () => MOST_ENTRY_BYTES, graceMs: () => this.#settings.join_grace_ms };
    this.#shelf = this.#emptied();
  }

  /** The settings may have changed: what was kept under others is forgotten. */
  configure(): void {
    const settings = this.#context.settings();
    if (JSON.stringify(settings) === JSON.stringify(this.#settings)) return;
    this.#settings = settings;
    this.#shelf = this.#emptied();
  }

  /** Calls that go on under a key. */
  get underWay(): number {
    return this.#underWay.size;
  }

  layer(): Layer {
    return (next) => {
      if (!this.#context.settings().enabled) return next;
      return (call) =>
        call.idempotencyKey === null || !PATHS.has(call.route.path) ? next(call) : this.#once(next, call, call.idempotencyKey);
    };
  }

  async #once(next: Handler, call: Call, written: string): Promise<Reply> {
    const key = `${flowOf(call.principal)}\n${call.route.path}\n${idempotencyKeyOf(written)}`;
    const fingerprint = createHash('sha256').update(`${call.model}\n`).update(call.body.bytes).digest('base64');
    const asked: Asked = { fingerprint, requestId: call.id };
    for (;;) {
      const claiming = this.#claiming.get(key);
      if (claiming !== undefined) await claiming;
      call.cancellation.throwIfCancelled();
      const underWay = this.#underWay.get(key);
      if (underWay !== undefined) {
        const reply = await joined(underWay, call, fingerprint);
        if (reply !== null) return reply;
      } else if (!this.#claiming.has(key)) {
        const claimed = this.#shelf.claim(key, asked);
        // From the answer to what is made of it nothing may come in between.
        const claim = claimed instanceof Promise ? await this.#alone(key, claimed) : claimed;
        if (call.cancellation.cancelled && claim.kind === 'ours') this.#shelf.release(key, asked);
        call.cancellation.throwIfCancelled();
        if (claim.kind === 'ours') return this.#begun(next, call, key, asked);
        if (claim.kind === 'done') return repeated(claim.kept, call, fingerprint);
        // Another gateway is at it, whose answer cannot be waited for here.
        throw claim.about.fingerprint === fingerprint ? inProgress() : idempotencyKeyReused();
      }
    }
  }

  /** Whoever comes with the same key meanwhile waits for what is said of it. */
  #alone(key: string, claimed: Promise<Claim<Asked>>): Promise<Claim<Asked>> {
    const claiming = claimed.finally(() => this.#claiming.delete(key));
    this.#claiming.set(key, claiming);
    return claiming;
  }

  #begun(next: Handler, call: Call, key: string, asked: Asked): Promise<Reply> {
    const shelf = this.#shelf;
    const renewal = this.#context.shelf && repeat(this.#context.clock, RENEW_MS, () => shelf.renew(key, asked));
    const flight = new Flight(call, this.#field, {
      isKept: true,
      onEnd: (whole) => {
        renewal?.cancel();
        this.#underWay.delete(key);
        if (whole !== null && whole.bytes.length <= MOST_ENTRY_BYTES) shelf.put(key, whole, asked);
        else shelf.release(key, asked);
      },
    });
    this.#underWay.set(key, { ...asked, flight });
    flight.start(next);
    return flight.board(call);
  }

  #emptied(): ClaimedShelf<Asked> {
    const { max_bytes, ttl_ms } = this.#settings;
    return this.#context.shelf ?? new AnswerShelf<Asked>(this.#context.clock, { max_entries: MOST_ENTRIES, max_bytes, ttl_ms });
  }
}

/** The answer that is being made; null: it failed, which is its first asker's own. Of those who waited one tries anew, and the others wait for that one. */
async function joined({ flight, ...asked }: UnderWay, call: Call, fingerprint: string): Promise<Reply | null> {
  if (asked.fingerprint !== fingerprint) throw idempotencyKeyReused();
  if (call.peek.stream || !flight.isOpen) throw inProgress();
  try {
    return marked(await flight.board(call), asked, call);
  } catch (error) {
    if (call.cancellation.cancelled) throw error;
    return null;
  }
}

function repeated({ answer, about }: Kept<Asked>, call: Call, fingerprint: string): Reply {
  if (about.fingerprint !== fingerprint) throw idempotencyKeyReused();
  call.journey.bytesOut += answer.bytes.length;
  return marked(replay(answer, {}), about, call);
}

function marked(reply: Reply, { requestId }: Asked, call: Call): Reply {
  call.journey.isReplay = true;
  return { ...reply, requestId, headers: { ...reply.headers, 'idempotent-replayed': 'true' } };
}

function inProgress(): GatewayError {
  return new GatewayError('idempotency_in_progress', 'The request of this idempotency key is still being answered.', {
    retryAfterMs: RETRY_MS,
  });
}

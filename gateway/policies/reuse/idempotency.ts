import { createHash } from 'node:crypto';
import type { Call } from '../../core/call.ts';
import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Handler, Layer } from '../../core/handler.ts';
import { flowOf } from '../../core/principal.ts';
import type { Reply } from '../../core/reply.ts';
import type { RecordMemory } from './answer-record.ts';
import { AnswerShelf, replay } from './answer-shelf.ts';
import { type Field, Flight } from './flight.ts';

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
}

/** What was asked under a key. */
interface Asked {
  readonly fingerprint: string;
  readonly requestId: string;
}

/** Where a request may carry a key; everywhere else nobody heeds it. */
const PATHS: ReadonlySet<string> = new Set(['/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/v1/responses', '/v1/messages']);
/** A larger answer is made again. */
const MOST_ENTRY_BYTES = 1_048_576;
const MOST_ENTRIES = 10_000;
const KEY = /^[\x21-\x7e]{1,255}$/;
/** As the IETF's draft has it: a string in quotes (RFC 8941). */
const QUOTED = /^"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,255})"$/;
const RETRY_MS = 1_000;

/**
 * What comes twice under one key is done once: a client that did not get its answer asks again, and is given what was made, or waits for what
 * is being made. Only whole answers are kept; what failed or was refused is tried anew.
 */
export class Idempotency {
  readonly #context: IdempotencyContext;
  readonly #underWay = new Map<string, Asked & { readonly flight: Flight }>();
  readonly #field: Field;
  #settings: IdempotencySettings;
  #shelf: AnswerShelf<Asked>;

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
    const key = `${flowOf(call.principal)}\n${call.route.path}\n${keyOf(written)}`;
    const fingerprint = createHash('sha256').update(`${call.model}\n`).update(call.body.bytes).digest('base64');
    for (;;) {
      const asked = this.#underWay.get(key);
      if (asked === undefined) break;
      if (asked.fingerprint !== fingerprint) throw reused();
      if (call.peek.stream || !asked.flight.isOpen) throw inProgress();
      try {
        const reply = await asked.flight.board(call);
        call.journey.isReplay = true;
        return { ...reply, requestId: asked.requestId, headers: { ...reply.headers, 'idempotent-replayed': 'true' } };
      } catch (error) {
        // Its failure is its own. One of those who waited tries anew, and the others wait for that one.
        if (call.cancellation.cancelled) throw error;
      }
    }
    const done = this.#shelf.get(key);
    if (done === null) return this.#begun(next, call, key, fingerprint);
    if (done.about.fingerprint !== fingerprint) throw reused();
    call.journey.isReplay = true;
    call.journey.bytesOut += done.answer.bytes.length;
    return { ...replay(done.answer, { 'idempotent-replayed': 'true' }), requestId: done.about.requestId };
  }

  #begun(next: Handler, call: Call, key: string, fingerprint: string): Promise<Reply> {
    const asked: Asked = { fingerprint, requestId: call.id };
    const flight = new Flight(call, this.#field, {
      isKept: true,
      onEnd: (whole) => {
        this.#underWay.delete(key);
        if (whole !== null && whole.bytes.length <= MOST_ENTRY_BYTES) this.#shelf.put(key, whole, asked);
      },
    });
    this.#underWay.set(key, { ...asked, flight });
    flight.start(next);
    return flight.board(call);
  }

  #emptied(): AnswerShelf<Asked> {
    const { max_bytes, ttl_ms } = this.#settings;
    return new AnswerShelf<Asked>(this.#context.clock, { max_entries: MOST_ENTRIES, max_bytes, ttl_ms });
  }
}

/** @throws invalid_idempotency_key */
function keyOf(written: string): string {
  const text = written.trim();
  const quoted = QUOTED.exec(text)?.[1];
  if (quoted !== undefined) return quoted.replaceAll(/\\(["\\])/g, '$1');
  if (KEY.test(text)) return text;
  throw new GatewayError(
    'invalid_idempotency_key',
    'The idempotency key must be 1 to 255 visible ASCII characters, bare or as a string in quotes.',
  );
}

function reused(): GatewayError {
  return new GatewayError(
    'idempotency_key_reused',
    'This idempotency key was used for another request: one that asks for something else needs a key of its own.',
  );
}

function inProgress(): GatewayError {
  return new GatewayError('idempotency_in_progress', 'The request of this idempotency key is still being answered.', {
    retryAfterMs: RETRY_MS,
  });
}

import type { Clock } from '../core/clock.ts';
import type { Events } from '../core/events.ts';
import type { Log } from '../core/log/log.ts';
import type { Random } from '../core/random.ts';
import type { Asked } from '../policies/reuse/idempotency.ts';
import type { Origin } from '../policies/reuse/reuse.ts';
import { ANSWER_SCRIPTS } from './answer-scripts.ts';
import { SharedShelf } from './shared-shelf.ts';
import { StoreLink } from './store-link.ts';
import { connectToValkey, serverOf } from './valkey-connection.ts';

interface SharedAnswersOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Pick<Events, 'storeFailed' | 'storeMissed'>;
  readonly url: string;
  readonly prefix: string;
  readonly timeoutMs: () => number;
  readonly cacheTtlMs: () => number;
  readonly idempotencyTtlMs: () => number;
  /** Of this gateway. */
  readonly id: string;
  readonly log: Pick<Log, 'info' | 'warn'>;
}

export interface SharedAnswers {
  readonly cache: SharedShelf<Origin>;
  readonly idempotency: SharedShelf<Asked>;
  close(): void;
}

/**
 * Answers that all gateways have that use the same store. On a connection of its own, so that none of them, which may be large, holds up the
 * counting of limits; of its troubles the other one tells.
 */
export async function openSharedAnswers(options: SharedAnswersOptions): Promise<SharedAnswers> {
  const { clock, random, events, url, prefix, timeoutMs, cacheTtlMs, idempotencyTtlMs, id, log } = options;
  const link = new StoreLink({
    ...{ clock, random, url, timeoutMs, connect: connectToValkey, scripts: ANSWER_SCRIPTS },
    events: { storeChanged() {}, storeFailed: (trouble) => events.storeFailed(trouble) },
    announce: () => Promise.resolve(1),
  });
  await link.open();
  let wasFull = false;
  const onRoom = (isFull: boolean): void => {
    if (isFull) events.storeFailed('memory');
    if (isFull === wasFull) return;
    wasFull = isFull;
    const server = serverOf(url);
    if (!isFull) return log.info('store.room', `${server} has room for answers again.`);
    const advice = 'Raise its maxmemory, or let less be kept: cache.ttl_ms, cache.max_entry_bytes, idempotency.ttl_ms.';
    log.warn('store.full', `${server} has no memory for answers: none are kept, and what is sent again is done again. ${advice}`);
  };
  const common = { clock, link, owner: id, onRoom };
  return {
    cache: new SharedShelf<Origin>({
      ...common,
      prefix: `${prefix}cache:`,
      ttlMs: cacheTtlMs,
      portable: ({ bornAt }) => ({ life: null, bornAt }),
      readAbout: (about) => (isObject(about) && typeof about['bornAt'] === 'number' ? { life: null, bornAt: about['bornAt'] } : null),
      onMissed: () => events.storeMissed('cache'),
    }),
    idempotency: new SharedShelf<Asked>({
      ...common,
      prefix: `${prefix}once:`,
      ttlMs: idempotencyTtlMs,
      portable: (asked) => asked,
      readAbout: askedIn,
      onMissed: () => events.storeMissed('idempotency'),
    }),
    close: () => link.close(),
  };
}

function askedIn(about: unknown): Asked | null {
  if (!isObject(about)) return null;
  const { fingerprint, requestId } = about;
  return typeof fingerprint === 'string' && typeof requestId === 'string' ? { fingerprint, requestId } : null;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

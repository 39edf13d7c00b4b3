import type { Clock } from '../core/clock.ts';
import type { Events } from '../core/events.ts';
import type { Random } from '../core/random.ts';
import type { Asked } from '../policies/reuse/idempotency.ts';
import type { Origin } from '../policies/reuse/reuse.ts';
import { ANSWER_SCRIPTS } from './answer-scripts.ts';
import { SharedShelf } from './shared-shelf.ts';
import { StoreLink } from './store-link.ts';
import { connectToValkey } from './valkey-connection.ts';

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
  const { clock, random, events, url, prefix, timeoutMs, cacheTtlMs, idempotencyTtlMs, id } = options;
  const link = new StoreLink({
    ...{ clock, random, url, timeoutMs, connect: connectToValkey, scripts: ANSWER_SCRIPTS },
    events: { storeChanged() {}, storeFailed: (trouble) => events.storeFailed(trouble) },
    announce: () => Promise.resolve(1),
  });
  await link.open();
  const common = { clock, link, owner: id };
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

import { setTimeout as delay } from 'node:timers/promises';
import type { LeaseStatus } from '../../../gateway/http/pages/admin-answers.ts';
import { Shown } from '../../report/shown.ts';
import { preparingText } from '../live/lease-text.ts';
import type { Hold } from './hold.ts';

const LOOK_MS = 300;
/** So many looks in a row without an answer: the gateway has gone. */
const MOST_MISSED = 60;
/** A sign of life every so many looks. */
const RENEW_EVERY = 15;

type Prepared =
  | { readonly kind: 'lent'; readonly lease: LeaseStatus }
  | { readonly kind: 'failed'; readonly message: string }
  /** The user has changed their mind. */
  | { readonly kind: 'cancelled' };

/** Waits until the card is free, and shows how far it is. An interrupt ends it. */
export async function prepare(hold: Hold, first: LeaseStatus): Promise<Prepared> {
  let lease = first;
  let isCancelled = false;
  let missed = 0;
  const cancel = (): void => void (isCancelled = true);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, cancel);
  const shown = new Shown(() => preparingText(lease));
  try {
    for (let look = 1; missed < MOST_MISSED; look += 1) {
      if (isCancelled) return { kind: 'cancelled' };
      if (lease.state === 'lent') return { kind: 'lent', lease };
      if (lease.state === 'over') return { kind: 'failed', message: `The card could not be lent: ${lease.message}` };
      await delay(LOOK_MS);
      const kept = look % RENEW_EVERY === 0 ? await hold.renew() : 'kept';
      if (typeof kept === 'object') return { kind: 'failed', message: `The card could not be lent: ${kept.message}` };
      const answer = await hold.look();
      missed = answer.kind === 'answered' && answer.body !== null ? 0 : missed + 1;
      if (answer.kind === 'answered' && answer.body !== null) lease = answer.body;
    }
    return { kind: 'failed', message: 'The gateway does not answer any more, or knows nothing of the lease.' };
  } finally {
    shown.end();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, cancel);
  }
}

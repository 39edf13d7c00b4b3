import { type Clock, repeat } from '../core/clock.ts';
import type { Events } from '../core/events.ts';
import type { Random } from '../core/random.ts';
import type { Limiter, WhenUnavailable } from '../policies/limits/limiter.ts';
import { BUDGET } from './budget-script.ts';
import { limitScript } from './limit-script.ts';
import { PLACES } from './places-script.ts';
import { PRESENCE } from './presence-script.ts';
import { Presence } from './presence.ts';
import { SharedLimiter } from './shared-limiter.ts';
import { StoreLink } from './store-link.ts';
import { type Connect, connectToValkey } from './valkey-connection.ts';

/** Three fit into what a gateway, or a call, is believed for. */
const HEARTBEAT_MS = 4_000;
const PRESENT_MS = 12_000;

interface SharedLimitsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Pick<Events, 'storeChanged' | 'storeFailed' | 'storeMissed'>;
  readonly url: string;
  readonly prefix: string;
  /** What may change while it is open. */
  readonly now: () => { readonly timeout_ms: number; readonly when_unavailable: WhenUnavailable };
  readonly local: Limiter;
  /** Nobody else's. */
  readonly id: string;
  readonly connect?: Connect;
}

export interface SharedLimits {
  readonly limiter: SharedLimiter;
  readonly link: StoreLink;
  readonly presence: Presence;
  isUp(): boolean;
  /** Tells the store what it has not heard, and leaves. Bounded by the time limit of a command. */
  close(): Promise<void>;
}

/**
 * Limits that hold for all gateways that use the same store. Resolves after the first attempt to reach it, whatever came of that: a gateway
 * serves without it, as `when_unavailable` says.
 */
export async function openSharedLimits(options: SharedLimitsOptions): Promise<SharedLimits> {
  const { clock, random, events, url, prefix, now, local, id, connect = connectToValkey } = options;
  const gateways = [`${prefix}{gateways}`];
  const script = limitScript();
  const presence = new Presence();
  const link = new StoreLink({
    ...{ clock, random, events, url, connect },
    timeoutMs: () => now().timeout_ms,
    scripts: [script, PRESENCE, BUDGET, PLACES],
    announce: () => announce(true),
  });
  const limiter = new SharedLimiter({
    ...{ clock, link, local, prefix, id, script },
    whenUnavailable: () => now().when_unavailable,
    onMissed: () => events.storeMissed('limits'),
  });

  /** Whoever is there has a share, should the store go away; in the order of their ids, so that all count alike. */
  async function announce(isConnectionNew: boolean): Promise<number | null> {
    const told = await link.run(PRESENCE, gateways, [id, PRESENT_MS]);
    if (told === null) return null;
    const { present, isNew } = told;
    presence.heard(present.length, isConnectionNew, isNew, clock.now());
    const index = present.toSorted().indexOf(id);
    if (index >= 0) local.divide(present.length, index);
    await limiter.renew();
    return present.length;
  }

  await link.open();
  const heartbeat = repeat(clock, HEARTBEAT_MS, async () => void (link.isUp && (await announce(false))));
  return {
    limiter,
    link,
    presence,
    isUp: () => link.isUp,
    async close() {
      heartbeat.cancel();
      if (link.isUp) {
        await limiter.tell();
        await link.run(PRESENCE, gateways, [id, 0]);
      }
      limiter.close();
      link.close();
    },
  };
}

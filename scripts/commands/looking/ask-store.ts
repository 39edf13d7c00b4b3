import type { Settings } from '../../../gateway/config/schema/settings.ts';
import type { Clock } from '../../../gateway/core/clock.ts';
import type { StoreState } from '../../../gateway/core/events.ts';
import { MEANWHILE } from '../live/store-words.ts';
import { systemRandom } from '../../../gateway/core/random.ts';
import { script } from '../../../gateway/state/script.ts';
import { StoreLink } from '../../../gateway/state/store-link.ts';
import { connectToValkey } from '../../../gateway/state/valkey-connection.ts';

/** It looks, and changes nothing: what gateways write there is theirs. */
const PEEK = script<number>(`return redis.call('EXISTS', KEYS[1])`, (reply) => (typeof reply === 'number' ? reply : undefined));

/** A program that has just begun, and looks at much else, is slower itself than a store may be. */
const LEAST_MS = 1_000;

/** Asks the server of `state.url` once, as a gateway does that starts; null: the settings name none. */
export async function askStore({ url, prefix, timeout_ms: timeoutMs }: Settings['state'], clock: Clock): Promise<StoreState | null> {
  if (url === null) return null;
  let state: StoreState | null = null;
  const link = new StoreLink({
    ...{ clock, random: systemRandom, url, connect: connectToValkey, scripts: [PEEK] },
    events: { storeChanged: (told) => void (state ??= told), storeFailed: () => undefined },
    timeoutMs: () => Math.max(timeoutMs, LEAST_MS),
    announce: (open) => open.run(PEEK, [`${prefix}{gateways}`], []),
  });
  await link.open();
  link.close();
  return state;
}

/** What stands in the way there; none where it answers. */
export function storeTroubles(store: StoreState | null, state: Settings['state']): string[] {
  if (store === null || store.isUp) return [];
  const { when_unavailable: meanwhile } = state;
  return [
    `The store of state.url (${store.server}) ${store.message} Without it ${MEANWHILE[meanwhile]} (state.when_unavailable: ${meanwhile}).`,
  ];
}

import type { LoadedSettings } from '../config/load.ts';
import { type ClientKeySettings, isOver } from '../config/schema/client-keys.ts';

/** A key without what is secret of it. */
export interface ListedKey {
  readonly name: string;
  readonly priority: ClientKeySettings['priority'];
  /** null: never. */
  readonly expires_at: string | null;
  readonly expired: boolean;
  readonly admin: boolean;
  readonly models: readonly string[];
  /** Its own, or else those of limits.default. */
  readonly limits: NonNullable<ClientKeySettings['limits']>;
  readonly on_limit: ClientKeySettings['on_limit'];
  /** `settings`, or the file of keys. */
  readonly from: string;
}

/** GET /admin/keys: whoever may use the API by a key, those of the keys file as they are now. */
export interface KeyList {
  readonly keys: readonly ListedKey[];
  /** Of which those above are the first. */
  readonly total: number;
  /** Whether whoever has no key is let in. */
  readonly open: boolean;
  /** Whether it is taken down who uses how much. */
  readonly usage_kept: boolean;
}

/** In the order in which they stand: those of the settings first. @param most how many at most @param now wall-clock ms */
export function listedKeys({ settings, keys }: Pick<LoadedSettings, 'settings' | 'keys'>, most: number, now: number): ListedKey[] {
  const { keys: inSettings, keys_file: file } = settings.auth;
  const from = (i: number): string => (i < inSettings.length ? 'settings' : (file ?? 'settings'));
  return keys.slice(0, most).map((key, i) => listed(key, settings.limits.default, from(i), now));
}

function listed(key: ClientKeySettings, usual: ListedKey['limits'], from: string, now: number): ListedKey {
  return {
    name: key.name,
    priority: key.priority,
    expires_at: key.expires_at,
    expired: isOver(key, now),
    admin: key.admin,
    models: key.models,
    limits: key.limits ?? usual,
    on_limit: key.on_limit,
    from,
  };
}

import { clientKey, type ClientKeySettings } from '../../../gateway/config/schema/client-keys.ts';

export type KeyInput = Parameters<ReturnType<typeof clientKey>['parse']>[0];

/** A key as the settings have it, with the defaults of what is not given. */
export function keyOf(given: { readonly name: string } & Partial<ClientKeySettings>): ClientKeySettings {
  return clientKey().parse(given);
}

export const SECRET = 'hg-a-secret-of-some-length';

import { isLoopbackHost } from './schema/values/addresses.ts';
import { asksForKeys, type Settings } from './schema/settings.ts';

/** What a listener asks of a request besides keys. */
interface AccessRules {
  /** Names in Host that are answered besides addresses and localhost; null: any. */
  readonly hosts: readonly string[] | null;
  /** Whose pages may call the API: everybody's, those of this machine, or those of these origins. */
  readonly origins: 'any' | 'local' | readonly string[];
}

/** The rules of the listener for the API. What anyone may use may be asked for by any name. */
export function apiAccess({ server, auth }: Settings): AccessRules {
  const asksForKey = asksForKeys(auth);
  const hosts = asksForKey || auth.allow_anonymous === true ? null : namesOf(server.host);
  const { allowed_origins: allowed } = server.cors;
  if (allowed === 'auto') return { hosts, origins: asksForKey ? 'any' : 'local' };
  return { hosts, origins: allowed === '*' || allowed.includes('*') ? 'any' : allowed };
}

/** Whether anyone may read /metrics. `hasOperatorKey`: there is a key of /admin, or one of a client that opens it. */
export function metricsArePublic({ metrics, server }: Settings, hasOperatorKey: boolean): boolean {
  return (metrics.public ?? isLoopbackHost(server.host)) || !hasOperatorKey;
}

/** The rules of a listener for operators alone, which no page of another origin may use. */
export function adminAccess({ admin }: Settings): AccessRules {
  return { hosts: namesOf(admin.host), origins: [] };
}

/** Where only this machine can reach a listener, a browser here may be led to it under a stranger's name. */
function namesOf(host: string): AccessRules['hosts'] {
  return isLoopbackHost(host) ? [host.toLowerCase()] : null;
}

import type { IncomingMessage, ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import { GatewayError } from '../core/errors.ts';
import { isOfApi, isPreflight, letRead } from './cors.ts';
import { isAllowed, isOfAnotherSite, type Origins } from './origin.ts';
import { UNNAMED_HOST } from './server.ts';

export interface VisitorRules {
  /** Names in Host that are answered besides addresses and localhost, in lower case; null: any. */
  readonly hosts: readonly string[] | null;
  readonly origins: Origins;
}

/** Without more said, who asks for these learns next to nothing; a balancer may name the host as it likes. */
const PROBES: ReadonlySet<string> = new Set(['/health', '/livez', '/readyz', '/startupz']);
/** What container runtimes call the machine that they run on; nobody can have such a name in the DNS of the world. */
const OF_CONTAINERS: readonly string[] = ['host.docker.internal', 'host.containers.internal'];
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Keeps pages in a browser on this machine, or in its network, from using what was left open for programs here: those that had a name of
 * their own lead to us (DNS rebinding), and those that send what needs no leave.
 */
export class Visitors {
  readonly #rules: () => VisitorRules;
  /** What was looked at last and found good, under which rules: nearly every request says the same. */
  #goodHost = '';
  #goodFor: VisitorRules | null = null;

  constructor(rules: () => VisitorRules) {
    this.#rules = rules;
  }

  /** Before anything else: what a page may read of the answer, be it a refusal. */
  greet(incoming: IncomingMessage, response: ServerResponse): void {
    const { origin } = incoming.headers;
    if (origin !== undefined) letRead(incoming, response, origin, isAllowed(origin, this.#rules().origins));
  }

  /** @throws host_not_allowed · origin_not_allowed */
  check(incoming: IncomingMessage): void {
    const rules = this.#rules();
    const { url = '' } = incoming;
    const { host = '', origin } = incoming.headers;
    if ((host !== this.#goodHost || rules !== this.#goodFor) && !PROBES.has(url)) {
      if (!answersTo(host, rules.hosts)) throw unknownHost(host);
      this.#goodHost = host;
      this.#goodFor = rules;
    }
    // Operators have a check of their own, and other names for what it says.
    if (origin === undefined || isAllowed(origin, rules.origins) || !isOfApi(url)) return;
    const changes = !SAFE.has(incoming.method ?? '') && isOfAnotherSite(incoming.headers);
    if (changes || isPreflight(incoming)) throw strangeOrigin(origin);
  }
}

function answersTo(host: string, names: VisitorRules['hosts']): boolean {
  // No browser leaves Host out.
  if (names === null || host === UNNAMED_HOST) return true;
  const name = host
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
    .toLowerCase();
  return isIP(name) !== 0 || name === 'localhost' || name.endsWith('.localhost') || names.includes(name) || OF_CONTAINERS.includes(name);
}

function unknownHost(host: string): GatewayError {
  const message =
    `Only this machine may call, and ${host.slice(0, 100)} is no name of it: use localhost or an address. ` +
    'For a proxy here that passes its own Host on, set auth.allow_anonymous: true.';
  return new GatewayError('host_not_allowed', message);
}

function strangeOrigin(origin: string): GatewayError {
  const shown = origin.slice(0, 100).replaceAll(/[^\x20-\x7e]/g, '?');
  return new GatewayError('origin_not_allowed', `Pages of ${shown} may not call this API: server.cors.allowed_origins does not name it.`);
}

import type { BlockList } from 'node:net';
import { asksForKeys, type Settings } from '../config/schema/settings.ts';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { ANONYMOUS, type Budgets, type KeyHolder, type Limits, type ModelNames, type Principal } from '../core/principal.ts';
import { clientAddress, sourceOf, trustedProxies } from './client-address.ts';
import { budgetsInForce, inForce, type KeyRing } from './key-ring.ts';
import type { ShownKey } from './shown-key.ts';

/** A key that nobody has: perhaps somebody tries them. */
export class WrongKey extends GatewayError {
  constructor() {
    super('invalid_api_key', 'Incorrect API key provided. Whoever runs this gateway can give you one.');
  }
}

/** What keys made by `headgate key new` begin with. */
export const KEY_PREFIX = 'hg-';

export interface DoorRules {
  /** The API is for those who have a key. */
  readonly asks: boolean;
  /** Others are served all the same. */
  readonly admitsAnyone: boolean;
  /** For those without a key; null: none, and nobody has to know where they come from. */
  readonly strangers: { readonly limits: Limits | null; readonly budgets: Budgets | null; readonly proxies: BlockList } | null;
}

export function doorRules({ auth, limits }: Pick<Settings, 'auth' | 'limits'>): DoorRules {
  const [ofMinutes, budgets] = [inForce(limits.anonymous), budgetsInForce(limits.anonymous)];
  const isFree = ofMinutes === null && budgets === null;
  return {
    asks: asksForKeys(auth),
    admitsAnyone: auth.allow_anonymous === true,
    strangers: isFree ? null : { limits: ofMinutes, budgets, proxies: trustedProxies(limits.trusted_proxies) },
  };
}

const NO_KEY = 'You did not provide an API key. Send yours as a bearer token: "Authorization: Bearer KEY".';

/** Says who asks, by the key that a request brings. Keys and rules may be exchanged at any time. */
export class Door {
  readonly #clock: Clock;
  ring: KeyRing;
  rules: DoorRules;

  constructor(clock: Clock, ring: KeyRing, rules: DoorRules) {
    this.#clock = clock;
    this.ring = ring;
    this.rules = rules;
  }

  /** Where no keys are set, nobody's is looked at: clients send made-up ones, and some send two. */
  get asks(): boolean {
    return this.rules.asks;
  }

  /** @param given null: none @param shown what its connection has brought before @throws invalid_api_key, as WrongKey where it is nobody's */
  principalOf(given: string | null, shown: ShownKey | null = null): Principal {
    const { asks, admitsAnyone } = this.rules;
    if (!asks) return ANONYMOUS;
    if (given === null) {
      if (admitsAnyone) return ANONYMOUS;
      throw new GatewayError('invalid_api_key', NO_KEY);
    }
    const now = this.#clock.wall();
    const found = shown === null ? this.ring.find(given, now) : shown.find(this.ring, given, now);
    if (found.kind === 'holder') return found.holder;
    if (found.kind === 'expired') {
      throw new GatewayError('invalid_api_key', `The API key ${found.name} was good until ${found.at}.`);
    }
    // The libraries of clients insist on a key, so whoever needs none makes one up; but one of ours is meant, and has been taken out.
    if (admitsAnyone && !given.startsWith(KEY_PREFIX)) return ANONYMOUS;
    throw new WrongKey();
  }

  /** Somebody without a key. @param forwardedFor the request's X-Forwarded-For */
  strangerFrom(socketAddress: string, forwardedFor: string | undefined): Principal {
    const { strangers } = this.rules;
    if (strangers === null) return ANONYMOUS;
    return { kind: 'anonymous', address: sourceOf(clientAddress(socketAddress, forwardedFor, strangers.proxies)) };
  }

  /** Which models exist for whoever goes by a name, '' for one without a key: none for one whose key is not there any more. */
  allowedTo(name: string): (model: ModelNames) => boolean {
    if (!this.rules.asks || name === '') return () => true;
    const holder = this.ring.named(name, this.#clock.wall());
    return (model) => holder !== null && holder.mayUse(model);
  }

  /** Who has left something to be done, by the name of his key; '' for whoever came without one. A text says why it is nobody any more. */
  absent(name: string): Principal | string {
    const { asks, admitsAnyone } = this.rules;
    if (name === '')
      return asks && !admitsAnyone ? 'It was made without a key, and requests without one are not served any more.' : ANONYMOUS;
    const holder = this.ring.named(name, this.#clock.wall());
    if (holder !== null) return holder;
    return this.ring.has(name)
      ? `The key ${name}, with which it was made, is over.`
      : `The key ${name}, with which it was made, has been taken out.`;
  }

  /** Whether somebody's key has been taken out since he came in. */
  isGone(principal: Principal): boolean {
    return principal.kind === 'key' && !this.ring.has(principal.name);
  }

  /** The limits that hold for somebody; null: none. */
  limitsOf(principal: Principal): Limits | null {
    return principal.kind === 'key' ? principal.limits : (this.rules.strangers?.limits ?? null);
  }

  /** The budgets that hold for somebody; null: none. */
  budgetsOf(principal: Principal): Budgets | null {
    return principal.kind === 'key' ? principal.budgets : (this.rules.strangers?.budgets ?? null);
  }

  /** The holder of a key that opens what is for operators; null for any other. */
  adminOf(given: string): KeyHolder | null {
    const found = this.ring.find(given, this.#clock.wall());
    return found.kind === 'holder' && found.holder.isAdmin ? found.holder : null;
  }
}

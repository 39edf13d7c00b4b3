import { hash } from 'node:crypto';
import type { ClientKeySettings } from '../config/schema/client-keys.ts';
import { keyDigest } from '../config/schema/key-findings.ts';
import type { Budgets, KeyHolder, Limits } from '../core/principal.ts';
import { modelsAllowed } from './model-patterns.ts';

/** What a key that somebody gave turned out to be. */
export type Found = Held | { readonly kind: 'expired'; readonly name: string; readonly at: string } | { readonly kind: 'unknown' };

export interface Held {
  readonly kind: 'holder';
  readonly holder: KeyHolder;
  /** Milliseconds since the epoch; Infinity where it never ends. */
  readonly endsAt: number;
}

interface Entry {
  readonly found: Held;
  readonly expiresAt: string;
}

/** What is set for a key, or for addresses. */
type LimitSettings = Limits & Budgets;

const NO_LIMITS: LimitSettings = {
  ...{ requests_per_minute: null, tokens_per_minute: null, concurrent_requests: null },
  ...{ tokens_per_day: null, tokens_per_month: null },
};

/** null where none of them is set. */
export function inForce(limits: Limits): Limits | null {
  return limits.requests_per_minute === null && limits.tokens_per_minute === null && limits.concurrent_requests === null ? null : limits;
}

/** The same of budgets. */
export function budgetsInForce({ tokens_per_day, tokens_per_month }: Budgets): Budgets | null {
  return tokens_per_day === null && tokens_per_month === null ? null : { tokens_per_day, tokens_per_month };
}

const UNKNOWN: Found = { kind: 'unknown' };

/**
 * All keys of clients. A key is looked for by its SHA-256, so that how long it takes says nothing of keys that begin alike, and ten
 * thousand of them cost what one does. The secrets themselves are not kept here.
 */
export class KeyRing {
  readonly #entries = new Map<string, Entry>();
  readonly #names: ReadonlySet<string>;
  /** Whether any of them opens what is for operators. */
  readonly hasAdmin: boolean;

  /** @param usual limits of keys that have none of their own */
  constructor(keys: readonly ClientKeySettings[], usual: LimitSettings = NO_LIMITS) {
    for (const key of keys) {
      const digest = keyDigest(key);
      if (digest !== null) this.#entries.set(digest, entryOf(key, usual));
    }
    this.#names = new Set(keys.map(({ name }) => name));
    this.hasAdmin = keys.some(({ admin }) => admin);
  }

  /** Whether there is a key of that name, good or over. */
  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** The holder of the key of that name, for what goes on while he is away; null: there is none, or it is over. @param now milliseconds since the epoch */
  named(name: string, now: number): KeyHolder | null {
    for (const { found } of this.#entries.values()) if (found.holder.name === name && now < found.endsAt) return found.holder;
    return null;
  }

  /** What is kept of the key of that name, if it opens what is for operators; null: there is none, or it is over. @param now as above */
  digestOf(name: string, now: number): string | null {
    for (const [digest, { found }] of this.#entries) {
      if (found.holder.name === name && found.holder.isAdmin && now < found.endsAt) return digest;
    }
    return null;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** @param now milliseconds since the epoch */
  find(secret: string, now: number): Found {
    const entry = this.#entries.get(hash('sha256', secret));
    if (entry === undefined) return UNKNOWN;
    if (now < entry.found.endsAt) return entry.found;
    return { kind: 'expired', name: entry.found.holder.name, at: entry.expiresAt };
  }
}

function entryOf(key: ClientKeySettings, usual: LimitSettings): Entry {
  const { expires_at: expiresAt } = key;
  const holder: KeyHolder = {
    kind: 'key',
    name: key.name,
    isBatch: key.priority === 'batch',
    isAdmin: key.admin,
    limits: inForce(key.limits ?? usual),
    budgets: budgetsInForce(key.limits ?? usual),
    patienceMs: key.on_limit === 'wait' ? key.max_wait_ms : 0,
    mayUse: modelsAllowed(key.models),
  };
  return {
    found: { kind: 'holder', holder, endsAt: expiresAt === null ? Infinity : Date.parse(expiresAt) },
    expiresAt: expiresAt ?? '',
  };
}

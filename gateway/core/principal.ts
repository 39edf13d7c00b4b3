import type { ModelEntry } from './worker.ts';

/** What one key, or one address, may do. null: no limit. */
export interface Limits {
  readonly requests_per_minute: number | null;
  readonly tokens_per_minute: number | null;
  readonly concurrent_requests: number | null;
}

/** Tokens that one key, or one address, may use in a calendar day, and in a month, of UTC. null: as many as it likes. */
export interface Budgets {
  readonly tokens_per_day: number | null;
  readonly tokens_per_month: number | null;
}

/** Somebody with a key of the settings, or of a keys file. */
export interface KeyHolder {
  readonly kind: 'key';
  /** Stands for the key in metrics, logs and errors. */
  readonly name: string;
  /** Whether all its calls are of the lower class. */
  readonly isBatch: boolean;
  /** Whether the key opens what is for operators, too. */
  readonly isAdmin: boolean;
  /** null: none at all. */
  readonly limits: Limits | null;
  /** null: none at all. */
  readonly budgets: Budgets | null;
  /** How long a call that is over a limit waits; 0: it is refused. */
  readonly patienceMs: number;
  /** Whether a model exists for it. */
  mayUse(model: ModelNames): boolean;
}

export interface Anonymous {
  readonly kind: 'anonymous';
  /** Where the request comes from, a network of IPv6 as one; null where nobody has to know. */
  readonly address: string | null;
}

/** Who asks. Known before the body of a request is read, so that a stranger's body is never read. */
export type Principal = Anonymous | KeyHolder;

/** What a model may be asked for by. */
export type ModelNames = Pick<ModelEntry, 'id' | 'aliases'>;

export const ANONYMOUS: Anonymous = { kind: 'anonymous', address: null };

/** How whoever has no key is called. */
export const ANONYMOUS_NAME = 'anonymous';

export function mayUse(principal: Principal, model: ModelNames): boolean {
  return principal.kind === 'anonymous' || principal.mayUse(model);
}

/** Who takes turns with others where calls wait, and has limits of his own; '': nobody knows. */
export function flowOf(principal: Principal): string {
  return principal.kind === 'key' ? `key ${principal.name}` : (principal.address ?? '');
}

/** Whose an answer is: the name of a key, or null. */
export function nameOf(principal: Principal): string | null {
  return principal.kind === 'key' ? principal.name : null;
}

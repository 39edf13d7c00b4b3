import type { ModelEntry } from './worker.ts';

/** Somebody with a key of the settings, or of a keys file. */
export interface KeyHolder {
  readonly kind: 'key';
  /** Stands for the key in metrics, logs and errors. */
  readonly name: string;
  /** Whether all its calls are of the lower class. */
  readonly isBatch: boolean;
  /** Whether the key opens what is for operators, too. */
  readonly isAdmin: boolean;
  /** Whether a model exists for it. */
  mayUse(model: ModelNames): boolean;
}

/** Who asks. Known before the body of a request is read, so that a stranger's body is never read. */
export type Principal = { readonly kind: 'anonymous' } | KeyHolder;

/** What a model may be asked for by. */
export type ModelNames = Pick<ModelEntry, 'id' | 'aliases'>;

export const ANONYMOUS: Principal = { kind: 'anonymous' };

export function mayUse(principal: Principal, model: ModelNames): boolean {
  return principal.kind === 'anonymous' || principal.mayUse(model);
}

/** Whose an answer is: the name of a key, or null. */
export function nameOf(principal: Principal): string | null {
  return principal.kind === 'key' ? principal.name : null;
}

import type { LineRow } from '../state/store/batch-terms.ts';
import type { Found } from './validation.ts';

// What a validation and its thread say to each other.

export interface ValidationAsked {
  readonly file: string;
  readonly endpoint: string;
  /** Every name of a model that may be used, and the id that it stands for. */
  readonly models: readonly (readonly [string, string])[];
  readonly mostLines: number;
  readonly mostLineBytes: number;
  readonly mixesModels: boolean;
}

/** The thread ends after `found` with errors, after the last rows, and after `failed`. */
export type ValidationTold =
  | { readonly kind: 'found'; readonly found: Found }
  /** Sent when asked for; none: those before were the last. */
  | { readonly kind: 'rows'; readonly rows: readonly LineRow[] }
  /** @see code: of the system, as in ENOENT */
  | { readonly kind: 'failed'; readonly code: string | null; readonly message: string };

/** Asks for the next rows. */
export const MORE = 'more';

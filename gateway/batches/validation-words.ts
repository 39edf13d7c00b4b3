import type { LineRow } from '../state/store/batch-terms.ts';
import type { Found } from './validation.ts';

// What a validation and its thread say to each other. The thread speaks first, and one at a time.

export interface ValidationAsked {
  readonly endpoint: string;
  /** Every name of a model that may be used, and the id that it stands for. */
  readonly models: readonly (readonly [string, string])[];
  readonly mostLines: number;
  readonly mostLineBytes: number;
  readonly mixesModels: boolean;
}

/** The thread ends after `found` with errors, and after the last rows. */
export type ValidationTold =
  /** Asks for the next bytes of the file, and gives the last ones back, to be written over; null: there were none. */
  | { readonly kind: 'reads'; readonly used: Uint8Array | null }
  | { readonly kind: 'found'; readonly found: Found }
  /** Sent when asked for; none: those before were the last. */
  | { readonly kind: 'rows'; readonly rows: readonly LineRow[] };

export type ValidationHeard =
  /** The next bytes, the thread's from then on; null: those before were the last. */
  | { readonly kind: 'block'; readonly block: Uint8Array | null }
  /** Asks for the next rows. */
  | { readonly kind: 'more' };

import type { LeaseView } from '../../gateway/link/snapshot.ts';
import type { WishResult } from '../slot/wish-result.ts';

/** Who asks for a card. `gpu`: its index or id; null: the only one. */
export interface LeaseAsked {
  readonly gpu: string | null;
  readonly id: string;
  readonly holder: string;
  /** The id is no proof, having been made up on the way, and the name is one: they have named themselves. */
  readonly isNamed: boolean;
  /** null: a sign of life. */
  readonly minutes: number | null;
  /** So much of the minutes is for the end, and promised to nobody. */
  readonly graceSeconds: number;
  /** It is over when nothing is heard of it for so long; null: it lasts its time. */
  readonly lapseSeconds: number | null;
}

export type LeaseResult =
  | { readonly kind: 'accepted'; readonly will: string; readonly lease: LeaseView }
  | Exclude<WishResult, { readonly kind: 'accepted' }>;

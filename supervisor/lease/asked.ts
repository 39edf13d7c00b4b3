import type { LeaseView } from '../../gateway/link/snapshot.ts';
import type { WishResult } from '../slot/wish-result.ts';

/** Who asks for a card. `gpu`: its index or id; null: the only one. */
export interface LeaseAsked {
  readonly gpu: string | null;
  readonly id: string;
  readonly holder: string;
  /** null: a sign of life. */
  readonly minutes: number | null;
  /** It is over when nothing is heard of it for so long; null: it lasts its time. */
  readonly lapseSeconds: number | null;
}

export type LeaseResult =
  | { readonly kind: 'accepted'; readonly will: string; readonly lease: LeaseView }
  | Exclude<WishResult, { readonly kind: 'accepted' }>;

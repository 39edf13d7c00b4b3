/** What comes of a command. `will`: what is going to happen, in plain words. */
export type WishResult =
  | { readonly kind: 'accepted'; readonly will: string }
  | { readonly kind: 'unknown'; readonly reason: string }
  | { readonly kind: 'conflict'; readonly reason: string };

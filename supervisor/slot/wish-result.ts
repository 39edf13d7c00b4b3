/** What comes of a command. `will`: what is going to happen, in plain words. */
export type WishResult =
  | { readonly kind: 'accepted'; readonly will: string }
  | { readonly kind: 'unknown'; readonly reason: string }
  | { readonly kind: 'conflict'; readonly reason: string };

type Refusal<K extends WishResult['kind']> = Extract<WishResult, { kind: K }>;

export const STOPPING: Refusal<'conflict'> = { kind: 'conflict', reason: 'The supervisor is stopping.' };

export function unknownModel(model: string): Refusal<'unknown'> {
  return { kind: 'unknown', reason: `There is no model ${model}.` };
}

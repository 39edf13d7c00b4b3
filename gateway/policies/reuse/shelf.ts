import type { WholeAnswer } from './flight.ts';

/** An answer that is kept, and what is known of it. */
export interface Kept<About> {
  readonly answer: WholeAnswer;
  readonly about: About;
  /** Milliseconds since it was kept. */
  readonly ageMs: number;
}

/** Where answers are kept for a while: in this process, at once, or where several gateways share them, later. None of it rejects. */
export interface Shelf<About> {
  /** null: there is none, or none any more, or nobody can say. */
  get(key: string): Kept<About> | null | Promise<Kept<About> | null>;
  put(key: string, answer: WholeAnswer, about: About): void;
  /** It is not to be given again. */
  drop(key: string): void;
  /** What is kept in this process. */
  readonly entries: number;
  readonly bytes: number;
}

/** What becomes of who comes with a key: he is the first, or another is at it, or it is done. */
export type Claim<About> =
  | { readonly kind: 'ours' }
  | { readonly kind: 'busy'; readonly about: About }
  | { readonly kind: 'done'; readonly kept: Kept<About> };

/** A shelf on which a place can be taken before there is anything to put there. */
export interface ClaimedShelf<About> extends Pick<Shelf<About>, 'put'> {
  claim(key: string, about: About): Claim<About> | Promise<Claim<About>>;
  /** Still at it. To be said several times within ten seconds, or somebody else may begin. */
  renew(key: string, about: About): void;
  /** Nothing came of it: whoever comes next begins anew. */
  release(key: string, about: About): void;
}

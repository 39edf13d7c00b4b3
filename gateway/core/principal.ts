/** Who asks. Known before the body of a request is read, so that a stranger's body is never read. */
export type Principal =
  | { readonly kind: 'anonymous' }
  /** Somebody with a key of the settings. `name` stands for the key in metrics, logs and errors. */
  | { readonly kind: 'key'; readonly name: string };

export const ANONYMOUS: Principal = { kind: 'anonymous' };

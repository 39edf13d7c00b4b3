/** What a path that is none of ours was meant to be. */
export type Meant =
  /** The same but for slashes: whoever asks is sent there. */
  | { readonly kind: 'slashes'; readonly path: string }
  /** Another base URL: a path of ours stands in it, or it is one without its /v1. */
  | { readonly kind: 'base'; readonly path: string }
  /** An endpoint of an API that we speak, but not one that we have. */
  | { readonly kind: 'not_offered'; readonly api: 'OpenAI' | 'Anthropic' };

const OPENAI = new RegExp(
  '^/v1/(?:assistants|audio/(?:speech|voices|voice_consents)|batches|chat/completions|chatkit|containers|conversations|evals|files|' +
    'fine_tuning|images|moderations|organization|projects|realtime|responses|skills|threads|uploads|vector_stores|videos)(?:/|$)',
);
const ANTHROPIC = /^\/v1\/(?:messages|complete|skills)(?:\/|$)/;

/**
 * @param path as it was sent
 * @param isOurs whether a path is one that apps may ask for
 * @returns null where nothing is like it
 */
export function meantBy(path: string, isOurs: (path: string) => boolean): Meant | null {
  const plain = `/${path.split('/').filter(Boolean).join('/')}`;
  if (plain !== path && isOurs(plain)) return { kind: 'slashes', path: plain };
  // A base URL with something before its /v1, or with two of them.
  const fromLast = plain.slice(plain.lastIndexOf('/v1/'));
  for (const other of [`/v1${plain}`, fromLast]) if (other !== plain && isOurs(other)) return { kind: 'base', path: other };
  for (const other of [plain, `/v1${plain}`]) {
    if (OPENAI.test(other)) return { kind: 'not_offered', api: 'OpenAI' };
    if (ANTHROPIC.test(other)) return { kind: 'not_offered', api: 'Anthropic' };
  }
  return null;
}

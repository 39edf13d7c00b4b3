/** What a client says of answers that were given before (RFC 9111, §5.2.1). */
export interface CacheWishes {
  /** Its answer is neither taken from the cache nor kept there. */
  readonly noStore: boolean;
  /** It wants one that is made now. */
  readonly noCache: boolean;
  /** It wants none that is made now. */
  readonly onlyIfCached: boolean;
  /** How old it may be, in seconds. */
  readonly maxAge: number;
}

const NONE: CacheWishes = { noStore: false, noCache: false, onlyIfCached: false, maxAge: Infinity };

/** Directives that nobody knows are passed over; where a number belongs and none stands, none is old enough not to be made anew (§4.2.1). Pure. */
export function cacheWishes(header: string | null): CacheWishes {
  if (header === null) return NONE;
  let wishes = NONE;
  for (const directive of header.toLowerCase().split(',')) {
    const [name = '', value = ''] = directive.split('=').map((part) => part.trim());
    if (name === 'no-store') wishes = { ...wishes, noStore: true };
    if (name === 'no-cache') wishes = { ...wishes, noCache: true };
    if (name === 'only-if-cached') wishes = { ...wishes, onlyIfCached: true };
    if (name === 'max-age') {
      const maxAge = /^"?\d{1,10}"?$/.test(value) ? Number(value.replaceAll('"', '')) : 0;
      wishes = maxAge === 0 ? { ...wishes, noCache: true } : { ...wishes, maxAge };
    }
  }
  return wishes;
}

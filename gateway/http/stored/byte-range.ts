/** What of a file is asked for: `end` is the byte behind the last. */
export type ByteRange =
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly start: number; readonly end: number }
  /** There is no such part. */
  | { readonly kind: 'none' };

const WHOLE: ByteRange = { kind: 'whole' };
const ONE = /^bytes=(\d{0,15})-(\d{0,15})$/;

/** Of several ranges, and of what is none, the whole is sent, as RFC 9110 §14.2 allows. */
export function rangeOf(header: string | undefined, size: number): ByteRange {
  const [, first = '', last = ''] = ONE.exec(header?.trim() ?? '') ?? [];
  if (first === '' && last === '') return WHOLE;
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? { kind: 'none' } : { kind: 'part', start: size - length, end: size };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return WHOLE;
  return start >= size ? { kind: 'none' } : { kind: 'part', start, end: last === '' ? size : Math.min(Number(last) + 1, size) };
}

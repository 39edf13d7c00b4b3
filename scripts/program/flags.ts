import { readSpan } from './span.ts';

/** What is wrong with a command line, in words. */
export class UsageError extends Error {}

/** What a program reads of its command line. */
export type Read<Options> =
  | { readonly kind: 'options'; readonly options: Options }
  | { readonly kind: 'help' }
  | { readonly kind: 'usage'; readonly problem: string };

const WEEK_MS = 7 * 86_400_000;

/** A time in milliseconds, of a flag that may be left out. @throws UsageError */
export function span(flag: string, text: string | null, usual: number): number {
  const ms = text === null ? usual : readSpan(text);
  if (ms === null || ms > WEEK_MS) throw new UsageError(`--${flag} is a time such as 30s, 5m or 1h, a week at most; not ${text}`);
  return ms;
}

/** A number within bounds, of a flag that may be left out. @throws UsageError */
export function number(flag: string, text: string | null, usual: number, least: number, most: number): number {
  const value = text === null ? usual : Number(text);
  if (text?.trim() === '' || !(value >= least && value <= most))
    throw new UsageError(`--${flag} must be a number from ${least} to ${most}, not ${text}`);
  return value;
}

/** A whole number within bounds, of a flag that may be left out. @throws UsageError */
export function whole(flag: string, text: string | null, usual: number, least: number, most: number = Number.MAX_SAFE_INTEGER): number {
  const value = text === null ? usual : Number(text);
  if (text?.trim() === '' || !Number.isSafeInteger(value) || value < least || value > most) {
    const bounds = most === Number.MAX_SAFE_INTEGER ? `from ${least} on` : `from ${least} to ${most}`;
    throw new UsageError(`--${flag} must be a whole number ${bounds}, not ${text}`);
  }
  return value;
}

/** One of some words. @throws UsageError */
export function oneOf<T extends string>(flag: string, value: string, known: readonly T[]): T {
  const found = known.find((each) => each === value);
  if (found === undefined) throw new UsageError(`--${flag} is one of ${known.join(', ')}; not ${value}`);
  return found;
}

/** The address of a server, without a slash at its end. @throws UsageError, also where it holds a password: addresses end up in reports */
export function readUrl(word: string): string {
  const url = URL.canParse(word) ? new URL(word) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) throw new UsageError(`${word} is no URL; write for instance http://127.0.0.1:8080`);
  if (url.username !== '' || url.password !== '') throw new UsageError('a URL with a password ends up in reports; use --key or --header');
  return url.origin + url.pathname.replace(/\/$/, '');
}

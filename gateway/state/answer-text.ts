import { isUtf8 } from 'node:buffer';
import type { WholeAnswer } from '../policies/reuse/flight.ts';

/** What is kept with an answer, as JSON. */
interface Head {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly about: unknown;
  /** Wall-clock milliseconds. */
  readonly at: number;
  /** Its body is no text, and written as base64. */
  readonly isBytes?: true;
}

const ANSWER = 'A';
const CLAIM = 'C';

/** An answer as a text: one line of JSON, and its body. */
export function answerText({ status, headers, bytes }: WholeAnswer, about: unknown, at: number): string {
  const isText = isUtf8(bytes);
  const head: Head = { status, headers, about, at, ...(isText ? {} : { isBytes: true }) };
  return `${ANSWER}${JSON.stringify(head)}\n${bytes.toString(isText ? 'utf8' : 'base64')}`;
}

/** Whoever makes an answer, as a text. The same for the same. */
export function claimText(about: unknown, owner: string): string {
  return `${CLAIM}${JSON.stringify({ about, owner })}`;
}

export type Read =
  | { readonly kind: 'answer'; readonly answer: WholeAnswer; readonly about: unknown; readonly at: number }
  | { readonly kind: 'claim'; readonly about: unknown; readonly owner: string };

/** What such a text says; null: it is none of ours, or of another version. */
export function readAnswerText(text: string): Read | null {
  try {
    if (text.startsWith(CLAIM)) {
      const { about, owner } = JSON.parse(text.slice(1)) as { about: unknown; owner: string };
      return typeof owner === 'string' ? { kind: 'claim', about, owner } : null;
    }
    const end = text.indexOf('\n');
    if (!text.startsWith(ANSWER) || end < 0) return null;
    const { status, headers, about, at, isBytes } = JSON.parse(text.slice(1, end)) as Head;
    if (!Number.isInteger(status) || !Number.isFinite(at) || typeof headers !== 'object' || headers === null) return null;
    const bytes = Buffer.from(text.slice(end + 1), isBytes ? 'base64' : 'utf8');
    return { kind: 'answer', answer: { status, headers, bytes }, about, at };
  } catch {
    return null;
  }
}

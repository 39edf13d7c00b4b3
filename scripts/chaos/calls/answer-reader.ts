import { StringDecoder } from 'node:string_decoder';
import type { Ending } from '../law/call-seen.ts';

/** How an answer ended, and what it said. */
export interface Answer {
  readonly ending: Ending;
  readonly code: string | null;
  readonly text: string;
  readonly ends: number;
  readonly surplus: number;
  /** Events that were no JSON. */
  readonly garbage: number;
}

/** What is known of an answer that has not begun. */
export const NO_ANSWER = { text: '', ends: 0, surplus: 0, garbage: 0 } as const;

interface Chunk {
  readonly error?: { readonly code?: string | number | null; readonly message?: string; readonly type?: string };
  readonly choices?: readonly {
    readonly delta?: { readonly content?: string };
    readonly message?: { readonly content?: string };
  }[];
}

/** Reads the bytes of one answer as a strict client does. */
export class AnswerReader {
  readonly #status: number;
  readonly #isStream: boolean;
  readonly #decoder = new StringDecoder('utf8');
  readonly #pieces: string[] = [];
  #text = '';
  #ends = 0;
  #surplus = 0;
  #garbage = 0;
  #error: string | null = null;
  #unread: string | null = null;

  /** @param asked whether a stream was asked for */
  constructor(status: number, contentType: string, asked: boolean) {
    this.#status = status;
    this.#isStream = status === 200 && asked;
    if (this.#isStream && !contentType.includes('text/event-stream')) this.#unread = `content type ${contentType || 'none'}`;
  }

  take(bytes: Buffer): void {
    const text = this.#decoder.write(bytes);
    // A line of megabytes is put together once, not again with each piece of it.
    if (!this.#isStream || !text.includes('\n')) return void this.#pieces.push(text);
    const lines = (this.#pieces.splice(0).join('') + text).split('\n');
    this.#pieces.push(lines.pop()!);
    for (const line of lines) if (line.startsWith('data:')) this.#event(line.slice(5).trim());
  }

  /** @param isWhole whether the server ended the body; otherwise it was cut, or its client had enough */
  end(isWhole: boolean): Answer {
    if (!this.#isStream) return this.#endOfBody(isWhole);
    const said = { text: this.#text, ends: this.#ends, surplus: this.#surplus, garbage: this.#garbage };
    if (!isWhole) return { ending: 'cut', code: 'cut', ...said };
    if (this.#unread !== null) return { ending: 'nonsense', code: this.#unread, ...said };
    if (this.#error !== null) return { ending: 'broken', code: this.#error, ...said };
    if (this.#ends === 0) return { ending: 'cut', code: 'no [DONE] and no error event', ...said };
    return { ending: 'ok', code: null, ...said };
  }

  #event(data: string): void {
    if (this.#ends > 0 && data !== '[DONE]') this.#surplus++;
    if (data === '[DONE]') return void this.#ends++;
    const chunk = parsed(data);
    if (chunk === null) return void this.#garbage++;
    const { error, choices } = chunk;
    if (error) {
      this.#ends++;
      this.#error ??= codeOf(error);
    }
    this.#text += choices?.[0]?.delta?.content ?? '';
  }

  #endOfBody(isWhole: boolean): Answer {
    if (!isWhole) return { ending: 'cut', code: 'cut', ...NO_ANSWER };
    const { error, choices } = parsed(this.#pieces.join('')) ?? {};
    if (this.#status !== 200) {
      if (typeof error?.message !== 'string' || typeof error.type !== 'string')
        return { ending: 'nonsense', code: 'an error without the body of one', ...NO_ANSWER };
      return { ending: 'refused', code: codeOf(error), ...NO_ANSWER };
    }
    const text = choices?.[0]?.message?.content;
    if (typeof text !== 'string') return { ending: 'nonsense', code: 'a body without an answer', ...NO_ANSWER };
    return { ending: 'ok', code: null, ...NO_ANSWER, text };
  }
}

function codeOf({ code, type }: NonNullable<Chunk['error']>): string {
  return String(code ?? type ?? 'none');
}

/** null: that is no JSON, or no object. */
function parsed(text: string): Chunk | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}

import { StringDecoder } from 'node:string_decoder';
import type { Ending } from '../law/call-seen.ts';

/** How an answer ended, and what it said. */
export interface Answer {
  readonly ending: Ending;
  readonly code: string | null;
  readonly text: string;
  readonly ends: number;
  readonly surplus: number;
}

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
  #rest = '';
  #text = '';
  #ends = 0;
  #surplus = 0;
  #error: string | null = null;
  #unread: string | null = null;

  /** @param asked whether a stream was asked for */
  constructor(status: number, contentType: string, asked: boolean) {
    this.#status = status;
    this.#isStream = status === 200 && asked;
    if (this.#isStream && !contentType.includes('text/event-stream')) this.#unread = `content type ${contentType || 'none'}`;
  }

  take(bytes: Buffer): void {
    this.#rest += this.#decoder.write(bytes);
    if (!this.#isStream) return;
    const lines = this.#rest.split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines) if (line.startsWith('data:')) this.#event(line.slice(5).trim());
  }

  /** @param isWhole whether the server ended the body; otherwise it was cut, or its client had enough */
  end(isWhole: boolean): Answer {
    if (!this.#isStream) return this.#endOfBody(isWhole);
    const said = { text: this.#text, ends: this.#ends, surplus: this.#surplus };
    if (!isWhole) return { ending: 'cut', code: 'cut', ...said };
    if (this.#unread !== null) return { ending: 'nonsense', code: this.#unread, ...said };
    if (this.#error !== null) return { ending: 'broken', code: this.#error, ...said };
    if (this.#ends === 0) return { ending: 'cut', code: 'no [DONE] and no error event', ...said };
    return { ending: 'ok', code: null, ...said };
  }

  #event(data: string): void {
    if (this.#ends > 0 && data !== '[DONE]') this.#surplus++;
    if (data === '[DONE]') return void this.#ends++;
    const { error, choices } = parsed(data);
    if (error) {
      this.#ends++;
      this.#error ??= codeOf(error);
    }
    this.#text += choices?.[0]?.delta?.content ?? '';
  }

  #endOfBody(isWhole: boolean): Answer {
    const nothing = { text: '', ends: 0, surplus: 0 };
    if (!isWhole) return { ending: 'cut', code: 'cut', ...nothing };
    const { error, choices } = parsed(this.#rest);
    if (this.#status !== 200) {
      if (typeof error?.message !== 'string' || typeof error.type !== 'string')
        return { ending: 'nonsense', code: 'an error without the body of one', ...nothing };
      return { ending: 'refused', code: codeOf(error), ...nothing };
    }
    const text = choices?.[0]?.message?.content;
    if (typeof text !== 'string') return { ending: 'nonsense', code: 'a body without an answer', ...nothing };
    return { ending: 'ok', code: null, ...nothing, text };
  }
}

function codeOf({ code, type }: NonNullable<Chunk['error']>): string {
  return String(code ?? type ?? 'none');
}

function parsed(text: string): Chunk {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

/**
 * A tokenizer that needs no vocabulary file: every id can be turned back into its text by arithmetic, so that any two processes
 * agree on every count and `/detokenize` gives back what `/tokenize` took. English comes to about four characters a token.
 *
 *   0..255       one byte of UTF-8
 *   256..511     special tokens
 *   512..1621    one to three digits
 *   2048..       up to six letters, with or without a leading space, with or without a capital
 */
const SPECIAL = 256;
const DIGITS = 512;
const WORDS = 2048;
const MAX_LETTERS = 6;
const LETTER_BASE = 27;

export const TOKEN = { bos: SPECIAL, eos: SPECIAL + 1, messageStart: SPECIAL + 2, messageEnd: SPECIAL + 3, image: SPECIAL + 4 } as const;

const SPECIAL_TEXT: Readonly<Record<number, string>> = {
  [TOKEN.bos]: '<|begin|>',
  [TOKEN.eos]: '<|end|>',
  [TOKEN.messageStart]: '<|message|>',
  [TOKEN.messageEnd]: '<|message_end|>',
  [TOKEN.image]: '<|image|>',
};

/** One past the largest id. */
export const VOCABULARY_SIZE = WORDS + 4 * LETTER_BASE ** MAX_LETTERS;

const SPACE = 32;
const utf8 = new TextEncoder();

function isUpper(code: number): boolean {
  return code >= 65 && code <= 90;
}

function isLower(code: number): boolean {
  return code >= 97 && code <= 122;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function wordId(text: string, from: number, to: number, space: boolean): number {
  let packed = 0;
  for (let i = to - 1; i > from; i--) packed = packed * LETTER_BASE + (text.charCodeAt(i) - 96);
  const first = text.charCodeAt(from);
  const capital = isUpper(first);
  packed = packed * LETTER_BASE + (first - (capital ? 64 : 96));
  return WORDS + packed * 4 + (capital ? 2 : 0) + (space ? 1 : 0);
}

function digitsId(text: string, from: number, to: number): number {
  const length = to - from;
  const base = length === 1 ? 0 : length === 2 ? 10 : 110;
  return DIGITS + base + Number(text.slice(from, to));
}

/** Where the token that begins at `from` ends: the text index after it. Characters outside ASCII end after one code point. */
function tokenEnd(text: string, from: number): number {
  let at = from;
  let code = text.charCodeAt(at);
  if (code === SPACE) {
    const next = text.charCodeAt(at + 1);
    if (!isLower(next) && !isUpper(next)) return at + 1;
    at++;
    code = next;
  }
  if (isLower(code) || isUpper(code)) {
    const limit = at + MAX_LETTERS;
    at++;
    while (at < limit && isLower(text.charCodeAt(at))) at++;
    return at;
  }
  if (isDigit(code)) {
    const limit = at + 3;
    at++;
    while (at < limit && isDigit(text.charCodeAt(at))) at++;
    return at;
  }
  return at + ((text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1);
}

/** Calls `visit` for every token of `text` with its id and its text; a character of several bytes has its text on the last one. */
function visitTokens(text: string, visit: (id: number, piece: string) => void): void {
  let at = 0;
  while (at < text.length) {
    const end = tokenEnd(text, at);
    const code = text.charCodeAt(at);
    const space = code === SPACE && end > at + 1;
    const first = space ? text.charCodeAt(at + 1) : code;
    if (isLower(first) || isUpper(first)) visit(wordId(text, space ? at + 1 : at, end, space), text.slice(at, end));
    else if (isDigit(first)) visit(digitsId(text, at, end), text.slice(at, end));
    else if (code < 128) visit(code, text.slice(at, end));
    else {
      const bytes = utf8.encode(text.slice(at, end));
      for (let i = 0; i < bytes.length; i++) visit(bytes[i]!, i === bytes.length - 1 ? text.slice(at, end) : '');
    }
    at = end;
  }
}

/** The ids of `text`, in order. */
export function encode(text: string): number[] {
  const ids: number[] = [];
  visitTokens(text, (id) => ids.push(id));
  return ids;
}

interface Piece {
  readonly id: number;
  /** What the token adds to the text; '' for all but the last byte of a character of several bytes. */
  readonly text: string;
}

/** The tokens of `text` with the text of each. */
export function encodePieces(text: string): Piece[] {
  const pieces: Piece[] = [];
  visitTokens(text, (id, piece) => pieces.push({ id, text: piece }));
  return pieces;
}

/** The bytes of one token. An id that stands for nothing has none. */
export function tokenBytes(id: number): Uint8Array {
  if (id >= 0 && id < SPECIAL) return Uint8Array.of(id);
  return utf8.encode(tokenText(id));
}

/** The text of one token; a lone byte that is not ASCII is shown as U+FFFD. */
export function tokenText(id: number): string {
  if (id < 0 || !Number.isInteger(id)) return '';
  if (id < SPECIAL) return id < 128 ? String.fromCharCode(id) : '\ufffd';
  if (id < DIGITS) return SPECIAL_TEXT[id] ?? '';
  if (id < WORDS) {
    const value = id - DIGITS;
    if (value < 10) return String(value);
    if (value < 110) return String(value - 10).padStart(2, '0');
    return value < 1110 ? String(value - 110).padStart(3, '0') : '';
  }
  if (id >= VOCABULARY_SIZE) return '';
  const flags = (id - WORDS) % 4;
  let packed = Math.floor((id - WORDS) / 4);
  let word = '';
  while (packed > 0) {
    const letter = packed % LETTER_BASE;
    if (letter > 0) word += String.fromCharCode(96 + letter);
    packed = Math.floor(packed / LETTER_BASE);
  }
  if ((flags & 2) !== 0) word = word.charAt(0).toUpperCase() + word.slice(1);
  return (flags & 1) !== 0 ? ` ${word}` : word;
}

/** The text that `ids` stand for; special tokens are left out. */
export function decode(ids: readonly number[]): string {
  const bytes: number[] = [];
  for (const id of ids) {
    if (id >= SPECIAL && id < DIGITS) continue;
    for (const byte of tokenBytes(id)) bytes.push(byte);
  }
  return Buffer.from(bytes).toString('utf8');
}

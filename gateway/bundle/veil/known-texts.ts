import type { Kind } from './stand-ins.ts';

/** A text of the settings or the environment that must not go out, wherever it stands. */
export interface PrivateText {
  readonly kind: Kind;
  readonly text: string;
}

/** A shorter one is part of half the words there are. */
const LEAST = 3;
/** Of base64 that begins or ends with others' bits: what is too short is found everywhere. */
const LEAST_INNER = 8;
/** Beyond, a secret is looked for as it is: a hundred thousand keys would take seconds. */
const MOST_SPELT = 2_000;
/** Kinds that are looked for in other spellings too, and within words. */
const SECRET: ReadonlySet<Kind> = new Set(['secret', 'url']);

interface Spelling {
  readonly kind: Kind;
  readonly text: string;
  readonly spelt: string;
}

/** Finds known texts in others, however many there are: by their first three characters. */
export class KnownTexts {
  readonly #byStart = new Map<string, Spelling[]>();
  /** Two characters with which any of them begins: most places are passed over by this. */
  readonly #pairs = new Uint8Array(65_536);
  readonly #added = new Set<string>();

  #spelt = 0;

  add({ kind, text }: PrivateText): void {
    if (!SECRET.has(kind) || this.#spelt >= MOST_SPELT) return this.#add({ kind, text, spelt: text });
    this.#spelt += 1;
    for (const spelt of spellingsOf(text)) this.#add({ kind, text, spelt });
  }

  /** `text` with each of them replaced. */
  replace(text: string, standIn: (kind: Kind, text: string) => string): string {
    let result = '';
    let from = 0;
    for (let at = 0; at + LEAST <= text.length; at += 1) {
      if (this.#pairs[pairAt(text, at)] === 0) continue;
      const found = this.#byStart
        .get(text.slice(at, at + LEAST))
        ?.find(({ kind, spelt }) => text.startsWith(spelt, at) && (SECRET.has(kind) || isWord(text, at, spelt)));
      if (!found) continue;
      result += text.slice(from, at) + standIn(found.kind, found.text);
      from = at + found.spelt.length;
      at = from - 1;
    }
    return from === 0 ? text : result + text.slice(from);
  }

  #add(spelling: Spelling): void {
    const { spelt } = spelling;
    if (spelt.length < LEAST || this.#added.has(spelt)) return;
    this.#added.add(spelt);
    this.#pairs[pairAt(spelt, 0)] = 1;
    const start = spelt.slice(0, LEAST);
    const others = this.#byStart.get(start);
    if (!others) return void this.#byStart.set(start, [spelling]);
    // The longest is tried first: another may be its beginning.
    const at = others.findIndex((other) => other.spelt.length < spelt.length);
    others.splice(at < 0 ? others.length : at, 0, spelling);
  }
}

function pairAt(text: string, at: number): number {
  return ((text.charCodeAt(at) & 255) << 8) | (text.charCodeAt(at + 1) & 255);
}

const WORD = /[\w]/;

/** A name is no name within another word. */
function isWord(text: string, at: number, spelt: string): boolean {
  const end = at + spelt.length;
  return !(WORD.test(text[at - 1] ?? ' ') && WORD.test(spelt[0]!)) && !(WORD.test(text[end] ?? ' ') && WORD.test(spelt.at(-1)!));
}

/** As it stands in URLs, in JSON, in hexadecimal digits, and in base64 wherever in it. */
function spellingsOf(text: string): string[] {
  const bytes = Buffer.from(text);
  const inner = [0, 1, 2].flatMap((offset) => {
    const whole = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    // Characters that hold bits of what stands before or behind are others there.
    const from = Math.ceil((offset * 8) / 6);
    const to = Math.floor(((offset + bytes.length) * 8) / 6);
    const piece = whole.slice(from, to);
    return piece.length < LEAST_INNER ? [] : [piece, piece.replaceAll('+', '-').replaceAll('/', '_')];
  });
  const hex = bytes.length < 4 ? [] : [bytes.toString('hex'), bytes.toString('hex').toUpperCase()];
  return [
    text,
    JSON.stringify(text).slice(1, -1),
    encodeURI(text.toWellFormed()),
    encodeURIComponent(text.toWellFormed()),
    ...hex,
    ...inner,
  ];
}

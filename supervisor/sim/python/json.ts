interface JsonProblem {
  /** Index of the character at which Python gives up. */
  readonly at: number;
  readonly message: string;
}

/** Reads JSON as Python does, which knows NaN and both infinities. */
export function readPythonJson(text: string): { readonly value: unknown } | JsonProblem {
  try {
    return { value: JSON.parse(text, LONG_SEED.test(text) ? exactSeed : undefined) as unknown };
  } catch {
    return new Reader(text).document();
  }
}

/** A seed may have 64 bits, and is held against both ends of them. */
const LONG_SEED = /"seed"\s*:\s*-?\d{16}/;

function exactSeed(key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (key !== 'seed' || typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  return /^-?\d+$/.test(context?.source ?? '') ? BigInt(context!.source!) : value;
}

class Refused extends Error {
  readonly problem: JsonProblem;
  constructor(at: number, message: string) {
    super(message);
    this.problem = { at, message };
  }
}

const SCALAR = /null|true|false|NaN|-?Infinity|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/y;
const WORDS: Readonly<Record<string, unknown>> = { null: null, true: true, false: false };

/** Slower than JSON's own parser, and only asked where that has refused. */
class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): { readonly value: unknown } | JsonProblem {
    try {
      this.#skipSpace();
      const value = this.#value();
      this.#skipSpace();
      return this.#at < this.#text.length ? { at: this.#at, message: 'Extra data' } : { value };
    } catch (error) {
      if (error instanceof Refused) return error.problem;
      throw error;
    }
  }

  #skipSpace(): void {
    while (this.#at < this.#text.length && ' \t\n\r'.includes(this.#text[this.#at]!)) this.#at++;
  }

  #value(): unknown {
    const first = this.#text.charAt(this.#at);
    if (first === '"') return this.#string();
    if (first === '{') return this.#object();
    if (first === '[') return this.#array();
    SCALAR.lastIndex = this.#at;
    const word = SCALAR.exec(this.#text)?.[0];
    if (word === undefined) throw new Refused(this.#at, 'Expecting value');
    this.#at += word.length;
    return word in WORDS ? WORDS[word] : Number(word);
  }

  #string(): string {
    const start = this.#at;
    for (let at = start + 1; at < this.#text.length; at++) {
      const character = this.#text.charAt(at);
      if (character === '"') {
        this.#at = at + 1;
        return JSON.parse(this.#text.slice(start, this.#at)) as string;
      }
      if (character < ' ') throw new Refused(at, 'Invalid control character at');
      if (character === '\\') at += this.#escape(at, start);
    }
    throw new Refused(start, 'Unterminated string starting at');
  }

  /** @returns how many characters follow the backslash */
  #escape(at: number, start: number): number {
    const escape = this.#text.charAt(at + 1);
    if (escape === '') throw new Refused(start, 'Unterminated string starting at');
    if (escape === 'u') {
      if (!/^[0-9a-fA-F]{4}$/.test(this.#text.slice(at + 2, at + 6))) throw new Refused(at + 1, 'Invalid \\uXXXX escape');
      return 5;
    }
    if (!'"\\/bfnrt'.includes(escape)) throw new Refused(at, 'Invalid \\escape');
    return 1;
  }

  #object(): Record<string, unknown> {
    const entries: [string, unknown][] = [];
    this.#at++;
    this.#skipSpace();
    if (this.#text.charAt(this.#at) === '}') return this.#closed({});
    for (;;) {
      if (this.#text.charAt(this.#at) !== '"') throw new Refused(this.#at, 'Expecting property name enclosed in double quotes');
      const name = this.#string();
      this.#skipSpace();
      if (this.#text.charAt(this.#at) !== ':') throw new Refused(this.#at, "Expecting ':' delimiter");
      this.#at++;
      this.#skipSpace();
      entries.push([name, this.#value()]);
      if (this.#endsAt('}')) return this.#closed(Object.fromEntries(entries));
    }
  }

  #array(): unknown[] {
    const items: unknown[] = [];
    this.#at++;
    this.#skipSpace();
    if (this.#text.charAt(this.#at) === ']') return this.#closed([]);
    for (;;) {
      items.push(this.#value());
      if (this.#endsAt(']')) return this.#closed(items);
    }
  }

  /** After a value: whether the bracket follows, else the comma is passed. */
  #endsAt(bracket: string): boolean {
    this.#skipSpace();
    const next = this.#text.charAt(this.#at);
    if (next === bracket) return true;
    if (next !== ',') throw new Refused(this.#at, "Expecting ',' delimiter");
    this.#at++;
    this.#skipSpace();
    return false;
  }

  #closed<T>(value: T): T {
    this.#at++;
    return value;
  }
}

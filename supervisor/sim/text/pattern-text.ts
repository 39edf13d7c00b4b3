/** Repeats beyond the least that a pattern asks for. */
const MORE_REPEATS = 2;

const CLASSES: Readonly<Record<string, string>> = {
  d: '0123456789',
  w: 'abcdefghijklmnopqrstuvwxyz0123456789_',
  s: ' ',
  D: 'abcxyz',
  W: '-',
  S: 'abcxyz',
};
const CONTROL: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', f: '\f', v: '\v' };
const PRINTABLE = Array.from({ length: 95 }, (_, at) => String.fromCharCode(32 + at)).join('');

/**
 * A text that matches a regular expression of groups, alternatives, classes and repeats. Lookarounds and back-references are not
 * understood. null: the text that was made does not match after all.
 */
export function textMatching(pattern: string, next: () => number): string | null {
  try {
    const text = new PatternWriter(pattern, next).write();
    return new RegExp(pattern, 'u').test(text) ? text : null;
  } catch {
    return null;
  }
}

class PatternWriter {
  readonly #pattern: string;
  readonly #next: () => number;
  #at = 0;

  constructor(pattern: string, next: () => number) {
    this.#pattern = pattern;
    this.#next = next;
  }

  write(): string {
    return this.#alternatives()();
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#next() * list.length)]!;
  }

  /** Every part is read once and may be written several times, differently. */
  #alternatives(): () => string {
    const options = [this.#sequence()];
    while (this.#pattern[this.#at] === '|') {
      this.#at++;
      options.push(this.#sequence());
    }
    return () => this.#pick(options)();
  }

  #sequence(): () => string {
    const parts: (() => string)[] = [];
    while (this.#at < this.#pattern.length && !'|)'.includes(this.#pattern[this.#at]!)) parts.push(this.#repeat(this.#atom()));
    return () => parts.map((part) => part()).join('');
  }

  #repeat(part: () => string): () => string {
    const rest = this.#pattern.slice(this.#at);
    const mark = /^(?:([*+?])|\{(\d+)(?:(,)(\d*))?\})\??/.exec(rest);
    if (mark === null) return part;
    this.#at += mark[0].length;
    const least = mark[1] === undefined ? Number(mark[2]) : mark[1] === '+' ? 1 : 0;
    const most = mark[1] === '?' ? 1 : mark[1] !== undefined || mark[4] === '' ? Infinity : Number(mark[4] ?? least);
    return () => {
      const count = least + Math.floor(this.#next() * (Math.min(most - least, MORE_REPEATS) + 1));
      return Array.from({ length: count }, part).join('');
    };
  }

  #atom(): () => string {
    const character = this.#pattern[this.#at++]!;
    if (character === '^' || character === '$') return () => '';
    if (character === '.') return () => this.#pick([...'abcdefghij']);
    if (character === '(') return this.#group();
    if (character === '[') return this.#class();
    if (character === '\\') return this.#escape();
    return () => character;
  }

  #group(): () => string {
    const open = /^\?(?::|<[A-Za-z_]\w*>)/.exec(this.#pattern.slice(this.#at));
    if (open !== null) this.#at += open[0].length;
    else if (this.#pattern[this.#at] === '?') throw new Error('looks around');
    const inner = this.#alternatives();
    this.#at++;
    return inner;
  }

  #escape(): () => string {
    const character = this.#pattern[this.#at++]!;
    if (character === 'b' || character === 'B') return () => '';
    const known = CLASSES[character];
    if (known !== undefined) return () => this.#pick([...known]);
    const code = this.#codePoint(character);
    return () => code;
  }

  #codePoint(character: string): string {
    const hex = character === 'u' ? /^(?:\{([0-9a-f]+)\}|([0-9a-f]{4}))/i : character === 'x' ? /^([0-9a-f]{2})/i : null;
    const match = hex?.exec(this.#pattern.slice(this.#at));
    if (match) {
      this.#at += match[0].length;
      return String.fromCodePoint(Number.parseInt(match[1] ?? match[2]!, 16));
    }
    return CONTROL[character] ?? character;
  }

  #class(): () => string {
    const negated = this.#pattern[this.#at] === '^';
    if (negated) this.#at++;
    let members = '';
    while (this.#at < this.#pattern.length && this.#pattern[this.#at] !== ']') members += this.#member();
    this.#at++;
    const allowed = negated ? [...PRINTABLE].filter((character) => !members.includes(character)) : [...members];
    return () => this.#pick(allowed);
  }

  #member(): string {
    const first = this.#classCharacter();
    if (first.length > 1 || this.#pattern[this.#at] !== '-' || this.#pattern[this.#at + 1] === ']') return first;
    this.#at++;
    const from = first.codePointAt(0)!;
    const to = this.#classCharacter().codePointAt(0)!;
    return Array.from({ length: Math.min(to - from + 1, 128) }, (_, at) => String.fromCodePoint(from + at)).join('');
  }

  #classCharacter(): string {
    const character = this.#pattern[this.#at++]!;
    if (character !== '\\') return character;
    const escaped = this.#pattern[this.#at++]!;
    return CLASSES[escaped] ?? this.#codePoint(escaped);
  }
}

/** What a text is that must not go out. */
export type Kind =
  | 'secret'
  | 'key'
  | 'url'
  | 'host'
  | 'address'
  | 'email'
  | 'path'
  | 'worker'
  | 'gpu'
  | 'name'
  | 'id'
  | 'model'
  | 'text'
  | 'user';

/** Beyond, a new text gets no number of its own: there is an end to what is remembered. */
const MOST = 200_000;

/**
 * What stands in place of a text: its kind, a number and its length. The same text has the same number all through one bundle, and a number
 * says nothing of it: a hash of a short name is found by trying. `mark`: tells numbers of one maker from those of another.
 */
export class StandIns {
  readonly #numbers = new Map<string, number>();
  readonly #counts = new Map<Kind, number>();
  readonly #mark: string;

  constructor(mark = '') {
    this.#mark = mark;
  }

  /** Such as `<url #1, 27 characters>`: nothing that JSON or a terminal would read otherwise. */
  of(kind: Kind, text: string): string {
    const known = `${kind} ${text}`;
    let number = this.#numbers.get(known);
    if (number === undefined) {
      if (this.#numbers.size >= MOST) return `<${kind}, ${text.length} characters>`;
      number = (this.#counts.get(kind) ?? 0) + 1;
      this.#counts.set(kind, number);
      this.#numbers.set(known, number);
    }
    return `<${kind} #${this.#mark}${number}, ${text.length} characters>`;
  }
}

import type { Line, Parser } from './line.ts';

/** As vLLM lists at its start what it answers to, each in a line. */
const ROUTE = /^(.*\])? ?Route: \S+, Methods: /;

/** Makes one line of those in a row that list an engine's routes: there are dozens, the same at each start. */
export class RouteFold implements Parser {
  readonly #inner: Parser;
  #last: Line | null = null;
  #count = 0;

  constructor(inner: Parser) {
    this.#inner = inner;
  }

  parse(line: string, latestMs: number): Line[] {
    return this.#inner.parse(line, latestMs).flatMap((each) => this.#one(each));
  }

  rest(latestMs: number): Line[] {
    return [...this.#inner.rest(latestMs).flatMap((each) => this.#one(each)), ...this.#folded()];
  }

  #one(line: Line): Line[] {
    if (!ROUTE.test(line.text)) return [...this.#folded(), line];
    this.#last = line;
    this.#count += 1;
    return [];
  }

  #folded(): Line[] {
    const [last, count] = [this.#last, this.#count];
    this.#last = null;
    this.#count = 0;
    if (last === null) return [];
    return [count === 1 ? last : { ...last, text: `${ROUTE.exec(last.text)?.[1] ?? ''} … ${count} routes`.trimStart() }];
  }
}

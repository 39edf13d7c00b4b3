/** What a call that has been counted weighs after one more: about the last hundred count. */
const FADE = 0.99;
/** Fewer say too little. */
const LEAST = 5;

interface Sums {
  n: number;
  x: number;
  y: number;
  xx: number;
  xy: number;
}

/**
 * How many tokens prompts have, by what is known of them without a tokenizer: their characters. A straight line through the latest calls of
 * a model and a route, of which the worker told the tokens: what its template adds to each, and so many tokens a character.
 */
export class PromptSizes {
  /** By model and route: as many as there are of both. */
  readonly #known = new Map<string, Sums>();

  learn(model: string, path: string, chars: number, tokens: number): void {
    const key = `${model} ${path}`;
    let sums = this.#known.get(key);
    if (!sums) this.#known.set(key, (sums = { n: 0, x: 0, y: 0, xx: 0, xy: 0 }));
    sums.n = sums.n * FADE + 1;
    sums.x = sums.x * FADE + chars;
    sums.y = sums.y * FADE + tokens;
    sums.xx = sums.xx * FADE + chars * chars;
    sums.xy = sums.xy * FADE + chars * tokens;
  }

  /** Tokens of a prompt of so many characters; null where too little is known. */
  guess(model: string, path: string, chars: number): number | null {
    const sums = this.#known.get(`${model} ${path}`);
    if (!sums || sums.n < LEAST * FADE ** LEAST) return null;
    const { n, x, y, xx, xy } = sums;
    const spread = xx - (x * x) / n;
    // All of one length: a token is a token.
    const perChar = spread > 1e-6 * xx ? Math.max(0, (xy - (x * y) / n) / spread) : 0;
    return Math.max(1, Math.round(y / n + perChar * (chars - x / n)));
  }
}

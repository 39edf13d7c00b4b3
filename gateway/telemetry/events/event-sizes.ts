/** What a stream that has been counted weighs after one more: about the last hundred count. */
const FADE = 0.99;

/**
 * How many tokens an event of a stream carries: one, unless the worker was told to send several at once, or sends what has gathered while it
 * was busy. Learnt from streams of which the worker told the tokens, for those of which it does not come to do so.
 */
export class EventSizes {
  /** By model and route: as many as there are of both. */
  readonly #known = new Map<string, { events: number; tokens: number }>();

  learn(model: string, path: string, events: number, tokens: number): void {
    const key = `${model} ${path}`;
    let sums = this.#known.get(key);
    if (!sums) this.#known.set(key, (sums = { events: 0, tokens: 0 }));
    sums.events = sums.events * FADE + events;
    sums.tokens = sums.tokens * FADE + tokens;
  }

  /** Tokens in so many events. */
  guess(model: string, path: string, events: number): number {
    const sums = this.#known.get(`${model} ${path}`);
    return sums && sums.events > 0 ? Math.round((events * sums.tokens) / sums.events) : events;
  }
}

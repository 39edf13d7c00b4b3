import type { Call } from '../../core/call.ts';

/** What a stream that has been counted weighs after one more: about the last hundred count. */
const FADE = 0.99;

/** Streams that want more tokens an event than this are counted together. */
const MOST_INTERVALS = 32;

type Streamed = Pick<Call, 'model' | 'route' | 'peek'>;

/**
 * How many tokens an event of a stream carries: as many as the request says, one where it says nothing; more where the worker was told so,
 * or sends what has gathered while it was busy. Learnt from streams of which the worker told the tokens, for those of which it does not come
 * to do so.
 */
export class EventSizes {
  /** By model, route and what the request says: as many as there are of these. */
  readonly #known = new Map<string, { events: number; tokens: number }>();

  learn(call: Streamed, events: number, tokens: number): void {
    const key = keyOf(call);
    let sums = this.#known.get(key);
    if (!sums) this.#known.set(key, (sums = { events: 0, tokens: 0 }));
    sums.events = sums.events * FADE + events;
    sums.tokens = sums.tokens * FADE + tokens;
  }

  /** Tokens in so many events. */
  guess(call: Streamed, events: number): number {
    const sums = this.#known.get(keyOf(call));
    const { streamInterval = 1, maxTokens, choices } = call.peek;
    const tokens = sums && sums.events > 0 ? Math.round((events * sums.tokens) / sums.events) : events * streamInterval;
    return maxTokens === null ? tokens : Math.min(tokens, maxTokens * choices);
  }
}

function keyOf({ model, route, peek }: Streamed): string {
  return `${model} ${route.path} ${Math.min(peek.streamInterval ?? 1, MOST_INTERVALS)}`;
}

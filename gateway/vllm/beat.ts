import type { EngineFigures } from './metrics.ts';

/** How much an engine has done, at one moment. Two of them tell whether it works. */
export interface Beat {
  readonly running: number;
  /** Requests that it has and has not begun. */
  readonly waiting: number;
  /** Requests in the hands of its HTTP server, whatever its engine does; absent where they are not counted. */
  readonly load?: number;
  /** Every token it has read or written so far, or any other count that only work moves. */
  readonly tokens: number;
}

/** The beat that a page of metrics shows; null where the page is not vLLM's, or does not count work. */
export function beatOf(figures: EngineFigures | null): Beat | null {
  if (figures === null || figures.work === null) return null;
  return { running: figures.running, waiting: figures.waiting, tokens: figures.work };
}

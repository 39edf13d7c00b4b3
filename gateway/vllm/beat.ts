import { meanFirstTokenMs, readMetrics } from './metrics.ts';

/** How much an engine has done, at one moment. Two of them tell whether it works. */
export interface Beat {
  readonly running: number;
  /** Requests that it has and has not begun. */
  readonly waiting: number;
  /** Requests in the hands of its HTTP server, whatever its engine does; absent where they are not counted. */
  readonly load?: number;
  /** Every token it has read or written so far, or any other count that only work moves. */
  readonly tokens: number;
  /** 0..1 of its KV cache, which moves with each step that reads a part of a long prompt. */
  readonly kvUsage?: number;
  /** How long requests have waited for their first token until now, in the mean; null or absent where it does not say. */
  readonly firstTokenMs?: number | null;
}

/** The beat that a page of metrics shows; null where the page is not vLLM's, or does not count work. */
export function beatIn(page: string): Beat | null {
  const figures = readMetrics(page);
  if (figures === null || figures.work === null) return null;
  const { running, waiting, work, kvUsage } = figures;
  return { running, waiting, tokens: work, kvUsage, firstTokenMs: meanFirstTokenMs(page) };
}

import type { EngineAdapter, LoadPage } from './adapter.ts';
import type { EngineFigures } from '../vllm/metrics.ts';
import type { Sight } from '../vllm/sight.ts';

/** After a page that the server does not have so many answers must have come before it is asked for again: it may have been started anew. */
const SKIPPED = 120;

/** Which of an engine's pages tells a worker's load, found by asking for them in turn. One of these for each worker. */
export class LoadSource {
  #adapter: EngineAdapter | null = null;
  #at = 0;
  #skipped = 0;
  #last: EngineFigures | null = null;

  /** The page to ask for now; null: none. */
  pageOf(adapter: EngineAdapter): LoadPage | null {
    if (adapter !== this.#adapter) {
      this.#adapter = adapter;
      this.#at = 0;
      this.#last = null;
    }
    const { loads } = adapter;
    // Having none it is looked for again now and then.
    if (this.#at >= loads.length && loads.length > 0 && ++this.#skipped >= SKIPPED) this.#at = 0;
    return loads[this.#at] ?? null;
  }

  /** What the page tells; null: nothing. A page that is not there is not asked for the next time. */
  read(page: LoadPage, status: number, body: string): EngineFigures | null {
    const figures = status === 200 ? page.read(body, this.#last) : null;
    if (figures !== null) this.#last = figures;
    else if (this.#last === null && isMissing(status) && this.#hasMore) {
      this.#at++;
      this.#skipped = 0;
    }
    return figures;
  }

  /** What another status than 200 shows. That there is no such page shows nothing. */
  sightOf({ kind, health }: EngineAdapter, status: number, body: string): Sight {
    if (kind !== 'vllm' && isMissing(status)) return 'answered';
    return health.sightOf(status, body, true) ?? 'answered';
  }

  /** vLLM has one page, and tells there what is amiss with it. */
  get #hasMore(): boolean {
    return this.#adapter !== null && (this.#adapter.loads.length > 1 || this.#adapter.kind !== 'vllm');
  }
}

/** A page that was read and tells nothing, that there is none, or that it is switched off. */
function isMissing(status: number): boolean {
  return status === 200 || status === 404 || status === 405 || status === 501 || status === 403;
}

import type { Clock } from '../core/clock.ts';
import type { LiveFigures } from '../core/events.ts';
import type { WorkerDirectory } from '../core/worker.ts';
import type { Ledger } from './metrics/sources.ts';
import { rounded } from './events/request-line.ts';

interface StatsFacts {
  readonly figures: LiveFigures;
  readonly directory: WorkerDirectory;
  readonly ledger: Ledger;
  readonly clock: Clock;
}

/** The body of GET /stats: the same facts as /metrics, for people and scripts. Counts are since the process started. */
export function statsBody({ figures, directory, ledger, clock }: StatsFacts) {
  const { requests, batches } = figures.batches();
  const now = clock.now();
  const cache = figures.cache();
  const routed = figures.routed();
  const sessions = figures.sessions();
  const prefixes = figures.prefixes();
  return {
    batcher: {
      total_requests: requests,
      total_batches: batches,
      average_batch_size: batches === 0 ? 0 : rounded(requests / batches),
      pending_requests: figures.windowPending(),
      window_ms: Object.fromEntries(figures.windowMs()),
    },
    cache: {
      size: cache.entries,
      maxsize: cache.maxEntries,
      hits: cache.hits,
      misses: cache.misses,
      hit_rate: rateOf(cache.hits, cache.misses),
    },
    queue: {
      in_flight: figures.inFlight(),
      depth: { interactive: figures.queueDepth('interactive'), batch: figures.queueDepth('batch') },
    },
    breakers: Object.fromEntries(
      [...figures.breakers()].map(([worker, breaker]) => [
        worker,
        {
          state: breaker.state,
          consecutive_failures: breaker.consecutiveFailures,
          open_for_ms: breaker.openUntilMs === null ? null : rounded(Math.max(0, breaker.openUntilMs - now)),
        },
      ]),
    ),
    workers: directory.workers().map(({ id, view, load, inFlight }) => ({
      id,
      state: view.state,
      stage: view.stage,
      models: view.models.map((model) => model.id),
      in_flight: inFlight,
      restarts: view.restarts,
      // Null until the worker's own figures have been read once.
      load:
        load.scrapedAt === null
          ? null
          : {
              running: load.running,
              waiting: load.waiting,
              kv_cache_usage_ratio: load.kvUsage,
              scrape_age_ms: rounded(Math.max(0, now - load.scrapedAt)),
            },
    })),
    routing: {
      total: [...routed.values()].reduce((sum, count) => sum + count, 0),
      by_worker: Object.fromEntries(routed),
      retries: ledger.retries,
    },
    sessions: {
      active: sessions.active,
      by_worker: Object.fromEntries(sessions.byWorker),
      kept: sessions.kept,
      moved: sessions.moved,
    },
    prefixes: {
      held_blocks: prefixes.blocks,
      held_bytes: prefixes.bytes,
      sent_blocks: prefixes.sent,
      matched_blocks: prefixes.matched,
      held: prefixes.held,
      spilled: prefixes.spilled,
      new: prefixes.new,
    },
    tokens: { input: ledger.inputTokens, output: ledger.outputTokens, cached_input: ledger.cachedTokens },
  };
}

function rateOf(hits: number, misses: number): number {
  return hits + misses === 0 ? 0 : rounded(hits / (hits + misses));
}

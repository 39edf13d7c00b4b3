import { rounded } from './events/request-line.ts';
import type { statsBody } from './stats.ts';

type Stats = ReturnType<typeof statsBody>;

/** One body of GET /stats of several processes, of which the first speaks for what all see alike. */
export function mergedStats(all: readonly [Stats, ...Stats[]]): Stats {
  const [first] = all;
  const sum = (read: (stats: Stats) => number): number => all.reduce((total, stats) => total + read(stats), 0);
  const requests = sum(({ batcher }) => batcher.total_requests);
  const batches = sum(({ batcher }) => batcher.total_batches);
  return {
    batcher: {
      total_requests: requests,
      total_batches: batches,
      average_batch_size: batches === 0 ? 0 : rounded(requests / batches),
      pending_requests: sum(({ batcher }) => batcher.pending_requests),
      window_ms: together(
        all.map(({ batcher }) => batcher.window_ms),
        Math.max,
      ),
    },
    cache: first.cache,
    queue: {
      in_flight: sum(({ queue }) => queue.in_flight),
      depth: { interactive: sum(({ queue }) => queue.depth.interactive), batch: sum(({ queue }) => queue.depth.batch) },
    },
    breakers: first.breakers,
    workers: first.workers.map((worker) => ({
      ...worker,
      in_flight: sum(({ workers }) => workers.find(({ id }) => id === worker.id)?.in_flight ?? 0),
    })),
    routing: {
      total: sum(({ routing }) => routing.total),
      by_worker: together(
        all.map(({ routing }) => routing.by_worker),
        (a, b) => a + b,
      ),
      retries: sum(({ routing }) => routing.retries),
    },
    sessions: {
      active: sum(({ sessions }) => sessions.active),
      by_worker: together(
        all.map(({ sessions }) => sessions.by_worker),
        (a, b) => a + b,
      ),
      kept: sum(({ sessions }) => sessions.kept),
      moved: sum(({ sessions }) => sessions.moved),
    },
    prefixes: {
      held_blocks: sum(({ prefixes }) => prefixes.held_blocks),
      held_bytes: sum(({ prefixes }) => prefixes.held_bytes),
      sent_blocks: sum(({ prefixes }) => prefixes.sent_blocks),
      matched_blocks: sum(({ prefixes }) => prefixes.matched_blocks),
      held: sum(({ prefixes }) => prefixes.held),
      spilled: sum(({ prefixes }) => prefixes.spilled),
      new: sum(({ prefixes }) => prefixes.new),
    },
    tokens: {
      input: sum(({ tokens }) => tokens.input),
      output: sum(({ tokens }) => tokens.output),
      cached_input: sum(({ tokens }) => tokens.cached_input),
    },
  };
}

function together(all: readonly Readonly<Record<string, number>>[], join: (a: number, b: number) => number): Record<string, number> {
  const result: Record<string, number> = {};
  for (const one of all) for (const [name, value] of Object.entries(one)) result[name] = join(result[name] ?? 0, value);
  return result;
}

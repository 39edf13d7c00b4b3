import { expect, test } from 'vitest';
import { mergedStats } from '../../../gateway/telemetry/merged-stats.ts';
import type { Stats } from '../../../gateway/http/pages/admin-answers.ts';

function statsOf(times: number, windowMs: number): Stats {
  const worker = { id: 'w0', state: 'ready', stage: 'ready', models: ['m'], in_flight: times, restarts: 1, load: null } as const;
  return {
    batcher: {
      total_requests: 6 * times,
      total_batches: 2 * times,
      average_batch_size: 3,
      pending_requests: times,
      window_ms: { m: windowMs },
    },
    cache: { size: 0, maxsize: 0, hits: 0, misses: 0, hit_rate: 0 },
    queue: { in_flight: times, depth: { interactive: 2 * times, batch: times } },
    breakers: { w0: { state: 'open', consecutive_failures: 0, open_for_ms: times } },
    workers: [{ ...worker, models: [...worker.models] }],
    routing: { total: 5 * times, by_worker: { w0: 5 * times }, retries: times },
    prefixes: {
      ...{ held_blocks: times, held_bytes: 2 * times, sent_blocks: 5 * times, matched_blocks: 4 * times },
      ...{ held: 3 * times, spilled: times, new: 2 * times },
    },
    sessions: { active: times, by_worker: { w0: times }, kept: 3 * times, moved: times },
    tokens: { input: 10 * times, output: 20 * times, cached_input: times },
  };
}

test('the stats of several processes are sums, and what all see alike is told by the first', () => {
  expect(mergedStats([statsOf(1, 20), statsOf(3, 50)])).toEqual({
    ...statsOf(4, 50),
    breakers: statsOf(1, 20).breakers,
  });
});

test('of a worker that only the first knows the others have no calls', () => {
  const other: Stats = { ...statsOf(2, 0), workers: [], routing: { total: 0, by_worker: {}, retries: 0 } };
  expect(mergedStats([statsOf(1, 0), other]).workers.map(({ in_flight }) => in_flight)).toEqual([1]);
});

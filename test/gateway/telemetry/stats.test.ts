import { describe, expect, it } from 'vitest';
import { statsBody } from '../../../gateway/telemetry/stats.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { directoryOf, idleFigures, MODEL, viewOf, workerOf } from './events/scene.ts';

const ledger = { lastReloadOk: true, canaryShare: 0, shutdownMs: 0, retries: 2, inputTokens: 100, outputTokens: 50, cachedTokens: 30 };

describe('/stats', () => {
  it('has the keys that scripts rely on', () => {
    const body = statsBody({ figures: idleFigures, directory: directoryOf([]), ledger, clock: createFakeClock() });
    expect(Object.keys(body)).toEqual(['batcher', 'cache', 'queue', 'breakers', 'workers', 'routing', 'sessions', 'prefixes', 'tokens']);
    expect(body.batcher).toMatchObject({ total_requests: 0, total_batches: 0, average_batch_size: 0, pending_requests: 0 });
    expect(body.cache).toEqual({ size: 0, maxsize: 0, hits: 0, misses: 0, hit_rate: 0 });
  });

  it('says how things stand', () => {
    const clock = createFakeClock();
    const worker = workerOf(viewOf(), { running: 4, waiting: 1, kvUsage: 0.5, scrapedAt: 900 });
    worker.inFlight = 5;
    const body = statsBody({
      figures: {
        ...idleFigures,
        inFlight: () => 9,
        queueDepth: (priority) => (priority === 'batch' ? 3 : 1),
        windowPending: () => 2,
        windowMs: () => new Map([[MODEL, 20]]),
        batches: () => ({ requests: 10, batches: 4 }),
        breakers: () => new Map([['w0', { state: 'open', consecutiveFailures: 5, openUntilMs: 3500 }]]),
        routed: () =>
          new Map([
            ['w0', 6],
            ['w1', 4],
          ]),
      },
      directory: directoryOf([worker, workerOf(viewOf({ id: 'w1', state: 'starting', stage: 'process' }))]),
      ledger,
      clock,
    });
    expect(body).toMatchObject({
      batcher: { total_requests: 10, total_batches: 4, average_batch_size: 2.5, pending_requests: 2, window_ms: { [MODEL]: 20 } },
      queue: { in_flight: 9, depth: { interactive: 1, batch: 3 } },
      breakers: { w0: { state: 'open', consecutive_failures: 5, open_for_ms: 2500 } },
      workers: [
        { id: 'w0', state: 'ready', in_flight: 5, load: { running: 4, waiting: 1, kv_cache_usage_ratio: 0.5, scrape_age_ms: 100 } },
        { id: 'w1', state: 'starting', stage: 'process', load: null },
      ],
      routing: { total: 10, by_worker: { w0: 6, w1: 4 }, retries: 2 },
      tokens: { input: 100, output: 50, cached_input: 30 },
    });
    expect(JSON.parse(JSON.stringify(body))).toEqual(body);
  });
});

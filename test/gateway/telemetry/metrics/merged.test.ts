import { expect, test } from 'vitest';
import { renderMetrics } from '../../../../gateway/telemetry/metrics/exposition.ts';
import { mergedPage, type MetricPage, remembered } from '../../../../gateway/telemetry/metrics/merged.ts';
import { createMetrics } from '../../../../gateway/telemetry/metrics/metrics.ts';
import { idleFigures } from '../events/scene.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';

const loop = { read: () => ({ meanMs: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 }), stop: () => {} };

function processOf(p99Ms = 0) {
  const late = { ...loop, read: () => ({ meanMs: 0, p50Ms: 0, p99Ms, maxMs: 0 }) };
  const metrics = createMetrics({ clock: createFakeClock(), loop: late, version: '1', nodeVersion: '26' });
  return { metrics, page: async () => (await metrics.registry.getMetricsAsJSON()) as unknown as MetricPage };
}

async function textOf(pages: readonly MetricPage[], accept?: string): Promise<string> {
  return (await renderMetrics(mergedPage(pages), accept)).body;
}

function families(text: string): string[] {
  return [...text.matchAll(/^# TYPE (\S+ \S+)$/gm)].map(([, family]) => family!).toSorted();
}

test('the page of several processes has every metric that the page of one has, in both formats', async () => {
  const [a, b] = [processOf(), processOf()];
  const pages = [await a.page(), await b.page()];
  expect(families(await textOf(pages))).toEqual(families((await renderMetrics(a.metrics.registry, undefined)).body));
  const open = 'application/openmetrics-text';
  expect(families(await textOf(pages, open))).toEqual(families((await renderMetrics(a.metrics.registry, open)).body));
});

test('counters and histograms are summed; of a gauge the table says what counts', async () => {
  const [a, b] = [processOf(10), processOf(30)];
  a.metrics.counters.retries_total.add(2, 'died');
  b.metrics.counters.retries_total.add(3, 'died');
  a.metrics.histograms.queue_wait_seconds.observe(0.3);
  b.metrics.histograms.queue_wait_seconds.observe(4);
  b.metrics.ledger.lastReloadOk = false;
  const text = await textOf([await a.page(), await b.page()]);
  expect(text).toContain('headgate_retries_total{reason="died"} 5\n');
  expect(text).toContain('headgate_queue_wait_seconds_count 2\n');
  expect(text).toContain('headgate_queue_wait_seconds_bucket{le="0.35"} 1\n');
  expect(text).toContain('headgate_queue_wait_seconds_bucket{le="5"} 2\n');
  expect(text).toContain('headgate_event_loop_delay_seconds 0.03\n');
  expect(text).toContain('headgate_config_last_reload_successful 0\n');
  expect(text).toContain('headgate_build_info{version="1",node="26"} 1\n');
});

test('a gauge that no process has anything to say of has no sample; where one has, that counts', async () => {
  const [a, b] = [processOf(), processOf()];
  expect(await textOf([await a.page(), await b.page()])).not.toMatch(/^headgate_(?:store_up|batch_lines_\w+ing) /m);
  b.metrics.attach({ figures: { ...idleFigures, storeUp: () => true } });
  expect(await textOf([await a.page(), await b.page()])).toContain('headgate_store_up 1\n');
});

test('what processes that are gone have counted stays in the sums, less what was of workers that nobody has any more', async () => {
  const [a, b, c] = [processOf(), processOf(), processOf()];
  for (const [one, times] of [
    [a, 2],
    [b, 3],
    [c, 4],
  ] as const) {
    one.metrics.counters.retries_total.add(times, 'died');
    one.metrics.counters.routed_requests_total.add(times, 'old');
    one.metrics.counters.routed_requests_total.add(times, 'new');
    one.metrics.histograms.queue_wait_seconds.observe(times);
  }
  let gone = remembered([], await a.page(), () => true);
  gone = remembered(gone, await b.page(), () => true);
  gone = remembered([], gone, (worker) => worker === 'new');
  expect(gone.some(({ type }) => String(type) === 'gauge')).toBe(false);
  const text = await textOf([await c.page(), gone]);
  expect(text).toContain('headgate_retries_total{reason="died"} 9\n');
  expect(text).toContain('headgate_routed_requests_total{worker="new"} 9\n');
  expect(text).toContain('headgate_routed_requests_total{worker="old"} 4\n');
  expect(text).toContain('headgate_queue_wait_seconds_sum 9\n');
  expect(text).toContain('headgate_queue_wait_seconds_bucket{le="2"} 1\n');
});

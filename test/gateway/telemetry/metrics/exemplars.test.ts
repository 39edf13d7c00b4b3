import fc from 'fast-check';
import { Histogram, Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { keptTraceId } from '../../../../gateway/telemetry/events/kept-trace.ts';
import { renderMetrics } from '../../../../gateway/telemetry/metrics/exposition.ts';
import { mergedPage, type MetricPage } from '../../../../gateway/telemetry/metrics/merged.ts';
import { createMetrics } from '../../../../gateway/telemetry/metrics/metrics.ts';
import { meterOf } from '../../../../gateway/telemetry/metrics/series.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { callOf, createScene, MODEL, quietLoop } from '../events/scene.ts';

const OPEN = 'application/openmetrics-text';
const [TRACE, OTHER] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b700f067aa0ba902b7'];
const parent = (traceId: string, flags: string) => ({ forward: { traceparent: `00-${traceId}-00f067aa0ba902b7-${flags}` } });

async function ended(flags: string) {
  const scene = createScene();
  await scene.clock.advance(2160);
  const call = callOf(
    { attempts: 1, sentAt: 1055, firstByteAt: 1255, lastByteAt: 3155, outputTokens: 39, chunks: 39 },
    parent(TRACE, flags),
  );
  scene.events.requestEnded(call, { kind: 'complete', status: 200 }, 200);
  const page = async (accept?: string) => (await renderMetrics(scene.metrics.registry, accept)).body;
  return { open: await page(OPEN), classic: await page() };
}

test('a request whose trace is kept stands beside its buckets of duration and first token, for those who read OpenMetrics', async () => {
  const { open, classic } = await ended('01');
  const mark = `# {trace_id="${TRACE}"}`;
  expect(open).toContain(`headgate_time_to_first_token_seconds_bucket{le="0.35",model="${MODEL}"} 1 ${mark} 0.255 1767225602.16\n`);
  expect(open).toContain(
    `headgate_request_duration_seconds_bucket{le="2.5",route="/v1/chat/completions",model="${MODEL}"} 1 ${mark} 2.16 1767225602.16\n`,
  );
  expect(open.split(mark)).toHaveLength(3);
  expect(classic).not.toContain(TRACE);
  expect(classic).toContain(`headgate_time_to_first_token_seconds_bucket{le="0.35",model="${MODEL}"} 1\n`);
});

test('one whose trace may be nowhere does not', async () => {
  expect((await ended('00')).open).not.toContain(TRACE);
  expect(keptTraceId({ forward: {}, trace: null })).toBeNull();
  expect(keptTraceId({ ...parent(TRACE, '03'), trace: null })).toBe(TRACE);
  expect(keptTraceId({ ...parent(TRACE, '02'), trace: null })).toBeNull();
});

test('of several processes the newest of each bucket is shown, and the sums stay what they are', async () => {
  const processes = [100, 900, 500].map((at, index) => {
    const metrics = createMetrics({ clock: createFakeClock(), loop: quietLoop, version: '1', nodeVersion: '26' });
    const traceId = `${index}`.repeat(32);
    metrics.histograms.time_to_first_token_seconds.observeTraced({ traceId, at }, 0.25, MODEL);
    return metrics;
  });
  const pages = await Promise.all(processes.map(async ({ registry }) => (await registry.getMetricsAsJSON()) as unknown as MetricPage));
  const { body } = await renderMetrics(mergedPage(structuredClone(pages)), OPEN);
  expect(body).toContain(
    `headgate_time_to_first_token_seconds_bucket{le="0.35",model="${MODEL}"} 3 # {trace_id="${'1'.repeat(32)}"} 0.25 0.9\n`,
  );
  expect(body.match(/trace_id/g)).toHaveLength(1);
});

test('exemplars are written as prom-client writes them', async () => {
  const value = fc.double({ min: -5, max: 50, noNaN: true });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(value, fc.constantFrom(TRACE, OTHER)), { maxLength: 20 }), async (all) => {
      const [own, theirs] = [new Registry(), new Registry()];
      for (const registry of [own, theirs])
        registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as unknown as typeof Registry.PROMETHEUS_CONTENT_TYPE);
      const base = { name: 'seen_seconds', help: 'What was seen.', buckets: [0, 1, 10] };
      const meter = meterOf({ ...base, registers: [own] });
      const histogram = new Histogram({ ...base, registers: [theirs], enableExemplars: true });
      for (const [one, traceId] of all) {
        meter.observeTraced({ traceId, at: 1000 }, one);
        histogram.observe({ value: one, labels: {}, exemplarLabels: { trace_id: traceId } } as never);
      }
      // Its own time is when it was called.
      const timeless = async (registry: Registry) => (await registry.metrics()).replace(/(# \{.*\} \S+) \S+$/gm, '$1');
      expect(await timeless(own)).toBe(await timeless(theirs));
    }),
    { numRuns: 60 },
  );
});

import fc from 'fast-check';
import { Counter, Histogram, Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { meterOf, tallyOf } from '../../../../gateway/telemetry/metrics/series.ts';

const BUCKETS = [1 / 128, 0.125, 1, 2.5];
const label = fc.constantFrom('/v1/chat/completions', 'm', 'a "b"', 'ü\n');
/** Fractions that a binary number holds exactly: their sums are the same in any order. */
const value = fc.oneof(
  fc.integer({ min: -10_240, max: 10_240 }).map((n) => n / 1024),
  fc.constantFrom(...BUCKETS, 0, 1e9),
);
const FORMATS = [Registry.PROMETHEUS_CONTENT_TYPE, Registry.OPENMETRICS_CONTENT_TYPE];

test.each([[['route', 'model']], [['worker']], [[]]])(
  'a page is what prom-client makes of the same observations: labels %j',
  async (labelNames) => {
    const observations = fc.array(fc.tuple(value, fc.tuple(label, label)), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(observations, fc.constantFrom(...FORMATS), async (all, format) => {
        const [own, theirs] = [new Registry(), new Registry()];
        for (const registry of [own, theirs]) registry.setContentType(format as typeof Registry.PROMETHEUS_CONTENT_TYPE);
        const base = { help: 'What was seen.', labelNames };
        const meter = meterOf({ ...base, name: 'seen_seconds', buckets: [...BUCKETS], registers: [own] });
        const tally = tallyOf({ ...base, name: 'seen_total', registers: [own] });
        const histogram = new Histogram({ ...base, name: 'seen_seconds', buckets: [...BUCKETS], registers: [theirs] });
        const counter = new Counter({ ...base, name: 'seen_total', registers: [theirs] });
        if (labelNames.length === 0) tally.add(0);
        for (const [i, [one, labels]] of all.entries()) {
          const used = labels.slice(0, labelNames.length);
          meter.observe(one, ...used);
          histogram.labels(...used).observe(one);
          tally.add(Math.abs(one), ...used);
          counter.labels(...used).inc(Math.abs(one));
          // A page in between changes nothing.
          if (i === 5) await own.metrics();
        }
        expect(await own.metrics()).toBe(await theirs.metrics());
        const data = JSON.stringify(await theirs.getMetricsAsJSON());
        const plain = data.replaceAll(',"exemplar":null', '').replaceAll('"exemplar":null,', '');
        expect(JSON.parse(JSON.stringify(await own.getMetricsAsJSON()))).toEqual(JSON.parse(plain));
      }),
      { numRuns: 60 },
    );
  },
);

test('what is no number is not observed', () => {
  const meter = meterOf({ name: 'x_seconds', help: 'X.', labelNames: [], buckets: [1], registers: [new Registry()] });
  for (const value of [NaN, Infinity]) expect(() => meter.observe(value)).toThrow(TypeError);
});

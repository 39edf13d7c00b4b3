import { describe, expect, test } from 'vitest';
import { pressureFactor, pressureOf, type PressureSettings } from '../../../../gateway/policies/capacity/pressure.ts';
import { PressureWatch } from '../../../../gateway/policies/capacity/pressure-watch.ts';
import { FakeWorker } from '../../../support/fake-worker.ts';
import { RecordedEvents } from '../../../support/recorded-events.ts';

const SETTINGS: PressureSettings = { warn_kv_usage: 0.8, critical_kv_usage: 0.9, scrape_interval_ms: 500 };
const NOW = 10_000;

function worker(kvUsage: number, waiting = 0, scrapedAt: number | null = NOW): FakeWorker {
  const made = new FakeWorker('w0');
  Object.assign(made.load, { kvUsage, waiting, scrapedAt });
  return made;
}

describe('pressure', () => {
  test.each([
    { kvUsage: 0, waiting: 0, pressure: 'calm', factor: 1 },
    { kvUsage: 0.79, waiting: 50, pressure: 'calm', factor: 1 },
    { kvUsage: 0.8, waiting: 0, pressure: 'warm', factor: 1 },
    { kvUsage: 0.85, waiting: 0, pressure: 'warm', factor: 0.75 },
    { kvUsage: 0.85, waiting: 9, pressure: 'warm', factor: 0.75 },
    // Full of running requests with nobody waiting: well used, not overloaded.
    { kvUsage: 0.9, waiting: 0, pressure: 'warm', factor: 0.5 },
    { kvUsage: 1, waiting: 0, pressure: 'warm', factor: 0.5 },
    { kvUsage: 0.9, waiting: 1, pressure: 'critical', factor: 0 },
    { kvUsage: 1, waiting: 1, pressure: 'critical', factor: 0 },
  ])(
    'a cache used to $kvUsage with $waiting waiting is $pressure and leaves $factor of the places',
    ({ kvUsage, waiting, pressure, factor }) => {
      const { load } = worker(kvUsage, waiting);
      expect(pressureOf(SETTINGS, load, NOW)).toBe(pressure);
      expect(pressureFactor(SETTINGS, load, NOW)).toBeCloseTo(factor, 10);
    },
  );

  test('a reading older than six scrapes says nothing any more', () => {
    const { load } = worker(1, 5, NOW);
    expect(pressureOf(SETTINGS, load, NOW + 3_000)).toBe('critical');
    expect(pressureOf(SETTINGS, load, NOW + 3_001)).toBe('calm');
    expect(pressureFactor(SETTINGS, load, NOW + 3_001)).toBe(1);
  });

  test('a worker that was never scraped is calm', () => {
    expect(pressureOf(SETTINGS, worker(1, 5, null).load, NOW)).toBe('calm');
  });
});

describe('the watch', () => {
  test('tells of every change once, with the use of the cache', () => {
    const events = new RecordedEvents();
    const watch = new PressureWatch(events);
    const w0 = worker(0.1);
    for (const [kvUsage, waiting] of [
      [0.1, 0],
      [0.85, 0],
      [0.86, 0],
      [0.95, 4],
      [0.2, 0],
    ] as const) {
      Object.assign(w0.load, { kvUsage, waiting });
      watch.look(SETTINGS, [w0], NOW);
    }
    expect(events.of('pressureChanged')).toEqual([
      ['w0', 'calm', 'warm', 0.85],
      ['w0', 'warm', 'critical', 0.95],
      ['w0', 'critical', 'calm', 0.2],
    ]);
  });

  test('forgets a worker that has gone: one of its name that comes later begins calm', () => {
    const events = new RecordedEvents();
    const watch = new PressureWatch(events);
    watch.look(SETTINGS, [worker(0.95, 4)], NOW);
    watch.look(SETTINGS, [], NOW);
    watch.look(SETTINGS, [worker(0.85)], NOW);
    expect(events.of('pressureChanged').map(([, from, to]) => `${from}>${to}`)).toEqual(['calm>critical', 'calm>warm']);
  });
});

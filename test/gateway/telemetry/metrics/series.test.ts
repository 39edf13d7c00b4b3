import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { labelFrom, methodLabel } from '../../../../gateway/telemetry/metrics/reason-label.ts';
import { tallyOf } from '../../../../gateway/telemetry/metrics/series.ts';

function open(labelNames: string[]) {
  const registry = new Registry();
  const tally = tallyOf({ name: 'hits_total', help: 'Hits.', labelNames, registers: [registry] });
  return { tally, values: async () => (await registry.getSingleMetric('hits_total')!.get()).values };
}

describe('the series of a metric', () => {
  it('are told apart by all their labels', async () => {
    const { tally, values } = open(['a', 'b']);
    tally.add(1, 'x', 'y');
    tally.add(2, 'x', 'z');
    tally.add(3, 'x', 'y');
    expect((await values()).map(({ labels, value }) => [labels, value])).toEqual([
      [{ a: 'x', b: 'y' }, 4],
      [{ a: 'x', b: 'z' }, 2],
    ]);
  });

  it('stop growing at a bound, beyond which all are one', async () => {
    const { tally, values } = open(['id', 'kind']);
    for (let index = 0; index < 5000; index++) tally.add(1, `id-${index}`, 'k');
    const all = await values();
    expect(all.length).toBeLessThanOrEqual(2001);
    expect(all.find(({ labels }) => labels['id'] === 'other')).toMatchObject({ labels: { id: 'other', kind: 'other' }, value: 3000 });
  });

  it('take no label that is too long to be a name', async () => {
    const { tally, values } = open(['id']);
    tally.add(1, 'x'.repeat(10_000));
    expect((await values()).map(({ labels }) => labels)).toEqual([{ id: 'other' }]);
  });

  it('that are dropped start at zero when they come back', async () => {
    const { tally, values } = open(['worker']);
    tally.add(5, 'w0');
    tally.add(5, 'w1');
    tally.dropUnless(0, (id) => id === 'w1');
    tally.add(1, 'w0');
    expect((await values()).map(({ labels, value }) => [labels['worker'], value]).toSorted()).toEqual([
      ['w0', 1],
      ['w1', 5],
    ]);
  });
});

describe('labels made of free text', () => {
  it('are names, or other', () => {
    const names = ['upstream', 'oom-kv-zero', 'probe_failed:reset'];
    expect(names.map(labelFrom)).toEqual(names);
    expect(['', '5 failures', 'Oops', `a${'b'.repeat(60)}`, 'a\nb', '__proto__'].map(labelFrom)).toEqual(Array(6).fill('other'));
  });

  it('are methods that HTTP knows, or other', () => {
    expect(['GET', 'POST', 'get', 'BREW'].map(methodLabel)).toEqual(['GET', 'POST', 'other', 'other']);
  });

  it('take no amount that is none', () => {
    const { tally } = open(['id']);
    for (const amount of [-1, NaN, Infinity]) expect(() => tally.add(amount, 'x')).toThrow(TypeError);
  });
});

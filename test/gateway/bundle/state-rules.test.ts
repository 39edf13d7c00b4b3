import { Registry, Gauge } from 'prom-client';
import { expect, test } from 'vitest';
import { metricsPart } from '../../../gateway/bundle/metrics-part.ts';
import { Pace } from '../../../gateway/bundle/pace.ts';
import { SNAPSHOT_RULE } from '../../../gateway/bundle/snapshot-rule.ts';
import { CANARY_RULE, STATUS_RULE } from '../../../gateway/bundle/state-rules.ts';
import { allowed } from '../../../gateway/bundle/veil/rule.ts';
import type { RuleOf } from '../../../gateway/bundle/veil/rule-of.ts';
import type { WorkerFailure } from '../../../gateway/core/worker.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { veilOver } from './veil-over.ts';

test('a field that has no rule, and a rule that has no field, are no rule of a type', () => {
  const rule = { class: 'word', phase: 'word', message: 'foreign', advice: 'text' } as const;
  // @ts-expect-error It has no rule for `at`.
  void (rule satisfies RuleOf<WorkerFailure>);
  // @ts-expect-error A failure has no `prompt`.
  void ({ ...rule, at: 'time', prompt: 'text' } as const satisfies RuleOf<WorkerFailure>);
  // @ts-expect-error A list is no group.
  void ({ gpus: { index: 'plain' } } as const satisfies RuleOf<{ gpus: readonly { index: number }[] }>);
  void ({ ...rule, at: 'time' } as const satisfies RuleOf<WorkerFailure>);
});

test('a profile may be named after somebody, and so may a group of workers', async () => {
  const veil = await veilOver([{ kind: 'key', text: 'acme' }]);
  const hidden = '<key #1, 4 characters>';
  const said = { profile: 'acme', tuning: 'acme' };
  expect(allowed({ ...said, models: [said], workers: [said] }, STATUS_RULE, veil)).toEqual({
    ...{ profile: hidden, tuning: hidden },
    models: [{ profile: hidden }],
    workers: [{ profile: hidden }],
  });
  expect(allowed({ ...said, workers: [{ id: 'worker-1', group: 'bank' }] }, SNAPSHOT_RULE, veil)).toEqual({
    ...{ profile: hidden, tuning: hidden },
    workers: [{ id: 'worker-1', group: '<name #1, 4 characters>' }],
  });
  expect(allowed({ state: 'running', group: 'bank', canary: { calls: 3, prompt: 'x' } }, CANARY_RULE, veil)).toEqual({
    ...{ state: 'running', group: '<name #1, 4 characters>' },
    canary: { calls: 3 },
  });
});

test('metrics are as many as have room with all that JSON adds, and the rest is told of', async () => {
  const registry = new Registry();
  const gauge = new Gauge({ name: 'x', help: 'x', labelNames: ['model', 'state', 'code'], registers: [registry] });
  for (let one = 0; one < 1_000; one += 1) gauge.set({ model: `model-${one}`, state: 'ready', code: '200' }, one);
  const clock = createFakeClock();
  const { lines, cut } = await metricsPart(registry, await veilOver([]), clock, new Pace(clock), 20_000);
  const bytes = Buffer.byteLength(JSON.stringify({ metrics: { lines } }, null, 2));
  expect(bytes).toBeLessThan(20_100);
  expect(bytes).toBeGreaterThan(19_800);
  expect(cut).toBe(`${1_000 - lines.length} series more`);
});

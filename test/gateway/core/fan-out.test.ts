import { expect, test } from 'vitest';
import { fanOut } from '../../../gateway/core/fan-out.ts';
import { RecordedEvents } from '../../support/recorded-events.ts';

test('every listener hears of an event, in their order, and only of those that it wants to hear of', () => {
  const heard: string[] = [];
  const events = fanOut(
    [
      { batchLeft: (model) => heard.push(`first ${model}`) },
      { batchLeft: (model) => heard.push(`second ${model}`), draining: () => heard.push('drain') },
    ],
    () => heard.push('fault'),
  );
  events.batchLeft('m', 1, [0]);
  events.draining('begin', 0, 0);
  events.configReloaded({ ok: true, changed: [], needsRestart: [], error: null });
  expect(heard).toEqual(['first m', 'second m', 'drain']);
});

test('a fault in one listener is told, and costs neither the caller nor the other listeners', () => {
  const heard: string[] = [];
  const faults: unknown[] = [];
  const broken = {
    draining: () => {
      throw new Error('full');
    },
  };
  const events = fanOut([broken, { draining: (stage) => heard.push(stage) }], (event, fault) =>
    faults.push([event, (fault as Error).message]),
  );
  events.draining('begin', 0, 0);
  fanOut([broken], (event) => faults.push(event)).draining('end', 0, 0);
  expect([heard, faults]).toEqual([['begin'], [['draining', 'full'], 'draining']]);
});

test('there is no event that it does not pass on', () => {
  const recorded = new RecordedEvents();
  const events = fanOut([recorded], () => {});
  for (const name of Object.keys(recorded).filter((key) => key !== 'all')) (events as unknown as Record<string, () => void>)[name]!();
  expect(recorded.all.map(({ name }) => name).toSorted()).toEqual(Object.keys(events).toSorted());
});

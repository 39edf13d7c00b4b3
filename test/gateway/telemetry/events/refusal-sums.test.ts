import { expect, test } from 'vitest';
import { GatewayError } from '../../../../gateway/core/errors.ts';
import type { Call } from '../../../../gateway/core/call.ts';
import { refusalSums } from '../../../../gateway/telemetry/events/refusal-sums.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';

function scene() {
  const clock = createFakeClock();
  const told: string[] = [];
  const sums = refusalSums({ add: (_level, _event, msg) => told.push(msg) }, clock);
  const refuse = (kind: ConstructorParameters<typeof GatewayError>[0], times = 1): void => {
    for (let i = 0; i < times; i += 1) sums.requestEnded?.({} as Call, { kind: 'refused', error: new GatewayError(kind, 'no') }, 503);
  };
  return { clock, told, sums, refuse };
}

test('the first are taken down within a second, those that follow in sum, less and less often', async () => {
  const { clock, told, refuse } = scene();
  refuse('queue_full', 3);
  await clock.advance(999);
  expect(told).toEqual([]);
  await clock.advance(1);
  expect(told).toEqual(['3 calls were refused (queue_full) in 1 s']);
  refuse('queue_full', 2);
  refuse('draining', 40);
  await clock.advance(4_999);
  expect(told).toHaveLength(1);
  await clock.advance(1);
  expect(told.slice(1)).toEqual(['42 calls were refused (40 draining, 2 queue_full) in 5 s']);
  refuse('queue_full');
  await clock.advance(15_000);
  expect(told.slice(2)).toEqual(['1 call was refused (queue_full)']);
  await clock.advance(600_000);
  expect(told).toHaveLength(3);
  expect(clock.pending).toBe(0);
  // It was quiet: as at first.
  refuse('queue_full');
  await clock.advance(1_000);
  expect(told).toHaveLength(4);
});

test('streams that a worker takes with it are told together, and apart from what was refused', async () => {
  const { clock, told, sums, refuse } = scene();
  for (let i = 0; i < 3; i += 1) {
    sums.requestEnded?.({} as Call, { kind: 'broken', error: new GatewayError('draining', 'cut') }, 200);
    await clock.advance(200);
  }
  refuse('queue_full');
  await clock.advance(400);
  expect(told).toEqual(['1 call was refused (queue_full), 3 calls were cut off (draining) in 1 s']);
});

test('ten thousand refusals an hour are some sixty entries', async () => {
  const { clock, told, refuse } = scene();
  for (let minute = 0; minute < 60; minute += 1) {
    refuse('queue_full', 170);
    await clock.advance(60_000);
  }
  expect(told.length).toBeLessThanOrEqual(64);
});

test('a client’s own mistake is no refusal, a broken answer is one', () => {
  const { told, sums, refuse } = scene();
  refuse('invalid_json', 3);
  sums.requestRefused?.({
    id: '',
    route: 'unknown',
    path: null,
    method: 'GET',
    status: 404,
    code: 'unknown_url',
    durationMs: 0,
    key: null,
  });
  sums.requestEnded?.({} as Call, { kind: 'complete', status: 200 }, 200);
  expect(told).toEqual([]);
  sums.requestEnded?.({} as Call, { kind: 'broken', error: new GatewayError('draining', 'cut') }, 200);
  sums.close();
  expect(told).toEqual(['1 call was cut off (draining)']);
});

test('what has not been told is told at the end', () => {
  const { told, sums, refuse } = scene();
  refuse('queue_full', 3);
  sums.close();
  expect(told).toEqual(['3 calls were refused (queue_full)']);
});

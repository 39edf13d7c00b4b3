import { expect, test } from 'vitest';
import { SharedPlaces } from '../../../../gateway/policies/dispatch/shared-places.ts';
import { FakeWorker } from '../../../support/fake-worker.ts';

test('of a model in a pool the places are told that calls of other models have, and of any other nothing is counted', () => {
  const [a, b] = [new FakeWorker('a'), new FakeWorker('b')];
  const ready: Record<string, FakeWorker[]> = { chat: [a, b], 'qwen-a': [a], lone: [b] };
  const shared = new SharedPlaces({ readyFor: (model) => ready[model] ?? [], shares: (model) => model !== 'lone' });
  expect(shared.begin('chat')).toBe(true);
  a.inFlight = 1;
  expect([shared.takenByOthers('chat'), shared.takenByOthers('qwen-a'), shared.takenByOthers('lone')]).toEqual([0, 1, 0]);
  expect(shared.begin('qwen-a')).toBe(true);
  a.inFlight = 2;
  expect([shared.takenByOthers('chat'), shared.takenByOthers('qwen-a')]).toEqual([1, 1]);
  shared.end('chat');
  a.inFlight = 1;
  expect([shared.takenByOthers('chat'), shared.takenByOthers('qwen-a')]).toEqual([1, 0]);
  expect(shared.begin('lone')).toBe(false);
  // What goes on at a worker that is on its way out is nobody's any more.
  ready['qwen-a'] = [];
  expect(shared.takenByOthers('qwen-a')).toBe(0);
});

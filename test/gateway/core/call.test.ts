import { expect, test } from 'vitest';
import { makeCall, newJourney, type CallParts } from '../../../gateway/core/call.ts';
import { CHAT } from '../../support/fake-call.ts';

// As a line of a batch has it: no request, no headers.
const PARTS: CallParts = {
  id: 'batch-1-line-7',
  route: CHAT,
  body: { bytes: Buffer.from('{}'), contentType: 'application/json' },
  peek: { model: null, stream: false, promptChars: 0, promptHead: '', maxTokens: null, choices: 1, promptLogprobs: null },
  model: 'm',
  principal: { isBatch: false, isAdmin: false, limits: null, budgets: null, patienceMs: 0, mayUse: () => true, kind: 'key', name: 'app-a' },
  arrivedAt: 12.5,
};

test('a call needs no request: what is not said of it is not special', () => {
  const call = makeCall(PARTS);
  expect(call).toMatchObject({ ...PARTS, priority: 'interactive', sessionId: null, forward: {}, journey: newJourney() });
  expect(call.cancellation.cancelled).toBe(false);
});

test('a call is what it is said to be, and shares nothing that changes with another', () => {
  const said = { priority: 'batch', sessionId: 's', forward: { accept: '*/*' } } as const;
  const [one, two] = [makeCall({ ...PARTS, ...said }), makeCall(PARTS)];
  expect(one).toMatchObject(said);
  expect(one.journey).not.toBe(two.journey);
  expect(one.cancellation).not.toBe(two.cancellation);
});

import { expect, test } from 'vitest';
import { fittingWorkers, LARGE_PROMPT_TOKENS } from '../../../../gateway/policies/capacity/large-requests.ts';
import { fakeCall } from '../../../support/fake-call.ts';
import { FakeWorker, MODEL } from '../../../support/fake-worker.ts';

function worker(id: string, maxModelLen: number | null): FakeWorker {
  return new FakeWorker(id, { models: [{ id: MODEL, root: null, parent: null, maxModelLen }] });
}

function call(promptTokens: number, maxTokens: number | null = null) {
  const made = fakeCall();
  return { ...made, peek: { ...made.peek, promptChars: promptTokens * 4, maxTokens } };
}

/** No pool: every model is by its own id. */
const fitting = (workers: readonly FakeWorker[], asked: ReturnType<typeof call>) => fittingWorkers(workers, asked, { resolve: () => null });

const [small, large, unknown] = [worker('small', 8_192), worker('large', 32_768), worker('unknown', null)];

test('a request of ordinary size may go to any worker', () => {
  const workers = [small, large];
  expect(fitting(workers, call(LARGE_PROMPT_TOKENS, 100_000))).toBe(workers);
});

test('a large one goes where it fits, with what it asks to be generated', () => {
  expect(fitting([small, large], call(9_000))).toEqual([large]);
  expect(fitting([small, large], call(8_100, 10))).toEqual([small, large]);
  expect(fitting([small, large], call(8_100, 500))).toEqual([large]);
});

test('a worker whose context is unknown counts as long enough', () => {
  expect(fitting([small, unknown], call(20_000))).toEqual([unknown]);
});

test('one that fits nowhere goes to the longest context, whose refusal names its limit', () => {
  expect(fitting([small, large], call(90_000))).toEqual([large]);
});

test('with one worker there is nothing to choose', () => {
  const workers = [small];
  expect(fitting(workers, call(90_000))).toBe(workers);
});

import { expect, test } from 'vitest';
import { sourceText } from '../../../scripts/commands/live/sources-text.ts';

const SOURCE = { source: 'kubernetes a/vllm', answers: true, message: null, workers: 3, ending: 0 };

test.each([
  [{}, 'kubernetes a/vllm: 3 workers'],
  [{ workers: 1 }, 'kubernetes a/vllm: 1 worker'],
  [{ ending: 2 }, 'kubernetes a/vllm: 3 workers, 2 of them about to end'],
  [{ answers: null, workers: 0 }, 'kubernetes a/vllm: has not answered yet'],
  [{ answers: false, message: 'may not be seen' }, 'kubernetes a/vllm may not be seen; 3 workers, as it said last'],
  [{ answers: false, message: 'may not be seen', workers: 0 }, 'kubernetes a/vllm may not be seen; no worker of it is known'],
])('a place where workers are looked for, on a line: %j', (more, expected) => {
  expect(sourceText({ ...SOURCE, ...more })).toBe(expected);
});

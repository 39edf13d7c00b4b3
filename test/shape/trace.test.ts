import { expect, test } from 'vitest';
import { roomOf } from './house.ts';
import { traceChat } from './trace.ts';

/** Between the socket and the policies: the server, the composition, and what makes a call of a request. */
const MOST_BEFORE_POLICIES = 9;

test('a streamed chat passes few files before its policies see it', async () => {
  const { toWorker, whole } = await traceChat();
  const before = toWorker.filter((file) => /^gateway\/(?:http|openai|main\.ts|app\.ts)/.test(file));
  expect(before).toContain('gateway/http/serve-call.ts');
  expect(before.length, before.join(' ')).toBeLessThanOrEqual(MOST_BEFORE_POLICIES);
  // The trace saw the rest of the way, and nothing but sources.
  expect(toWorker).toContain('gateway/workers/wire/transport.ts');
  expect(whole).toContain('gateway/http/node-sink.ts');
  expect(toWorker.filter((file) => !whole.includes(file))).toEqual([]);
  expect(whole.filter((file) => roomOf(file) === null)).toEqual([]);
});

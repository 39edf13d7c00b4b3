import { describe, expect, test } from 'vitest';
import type { Route } from '../../../../gateway/core/call.ts';
import { bodyFor } from '../../../../gateway/policies/relay/engine-priority.ts';
import { parseJsonBody } from '../../../../gateway/openai/json-body.ts';
import { peek } from '../../../../gateway/openai/peek.ts';
import { CHAT, fakeCall, MESSAGES } from '../../../support/fake-call.ts';
import { FakeWorker } from '../../../support/fake-worker.ts';

const BY_PRIORITY = new FakeWorker('w0', { scheduling: 'priority' });

/** What a worker is sent of a call with this body. */
function sent(text: string, priority: 'interactive' | 'batch', worker = BY_PRIORITY, route: Route = CHAT): string {
  const call = fakeCall({ text, priority, route });
  const body = bodyFor({ ...call, peek: peek(parseJsonBody(Buffer.from(text)), route) }, worker);
  if (body.bytes.toString() === text) expect(body).toBe(call.body);
  return body.bytes.toString();
}

describe('a worker that goes by priority', () => {
  test('is told which calls have time, at the end of a body that is otherwise untouched', () => {
    const text = '{ "seed": 9007199254740993, "temperature": 1.0 }';
    expect(sent(text, 'batch')).toBe('{ "seed": 9007199254740993, "temperature": 1.0 ,"priority":10}');
    expect(sent(text, 'interactive')).toBe(text);
    expect(sent('{}', 'batch')).toBe('{"priority":10}');
  });

  test.each([
    ['20', 'batch', null],
    ['10', 'batch', null],
    ['0', 'batch', 10],
    ['-5', 'batch', 10],
    ['"3"', 'batch', 10],
    ['true', 'batch', 10],
    ['-5', 'interactive', 0],
    ['"-5"', 'interactive', 0],
    ['0', 'interactive', null],
    ['7', 'interactive', null],
    ['"soon"', 'batch', null],
    ['null', 'batch', null],
    ['[1]', 'interactive', null],
  ] as const)('with a priority of %s from a client of class %s is told %s', (own, priority, told) => {
    const text = `{"model":"m","priority":${own}}`;
    expect(sent(text, priority)).toBe(told === null ? text : `{"model":"m","priority":${own},"priority":${told}}`);
  });

  test('is told where vLLM reads it', () => {
    expect(sent('{"model":"m"}', 'batch', BY_PRIORITY, MESSAGES)).toBe('{"model":"m"}');
  });
});

test.each([{}, { scheduling: 'fcfs' as const }])('any other gets the bytes as they are: %j', (view) => {
  for (const text of ['{"model":"m"}', '{"model":"m","priority":-5}']) expect(sent(text, 'batch', new FakeWorker('w0', view))).toBe(text);
});

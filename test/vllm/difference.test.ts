import { describe, expect, test } from 'vitest';
import type { RawAnswer } from '../support/raw-http.ts';
import { differences } from './difference.ts';
import { viewOf } from './view.ts';

function answer(body: string, more: Partial<RawAnswer> = {}): RawAnswer {
  const headers = [
    ['date', 'now'],
    ['content-type', more.chunks ? 'text/event-stream; charset=utf-8' : 'application/json'],
  ] as const;
  return { status: 200, reason: 'OK', headers, body, chunks: [], ending: 'complete', ...more };
}

function groups(expected: RawAnswer, actual: RawAnswer): string[] {
  return differences(viewOf(expected), viewOf(actual)).map(({ group }) => group);
}

describe('two answers are the same', () => {
  test('whatever their ids, times, texts and numbers of tokens in a prompt', () => {
    const one = answer(
      '{"id":"chatcmpl-0123456789abcdef","created":1,"choices":[{"message":{"content":"a b"}}],"usage":{"prompt_tokens":3}}',
    );
    const other = answer(
      '{"id":"chatcmpl-fedcba9876543210","created":2,"choices":[{"message":{"content":"c"}}],"usage":{"prompt_tokens":9}}',
    );
    expect(groups(one, other)).toEqual([]);
  });

  test('however many tokens a stream has', () => {
    const stream = (count: number) => answer(`${'data: {"delta":{"content":"x"}}\n\n'.repeat(count)}data: [DONE]\n\n`, { chunks: [''] });
    expect(groups(stream(2), stream(5))).toEqual([]);
  });

  const counted = (...counts: number[]) =>
    answer(
      `${counts.map((count) => `data: {"choices":[{"text":"x"}],"usage":{"completion_tokens":${count}}}\n\n`).join('')}data: {"choices":[],"usage":{"completion_tokens":${counts.at(-1)}}}\n\n`,
      { chunks: [''] },
    );

  test('however many of them an event brings, as long as their count grows up to the same', () => {
    expect(groups(counted(1, 2, 3, 4, 5, 6), counted(1, 3, 6))).toEqual([]);
    expect(groups(counted(1, 2, 3), counted(1, 2, 2))).toContain('chunk .usage.completion_tokens');
    expect(groups(counted(1, 2, 3), counted(1, 2, 4))).toContain('chunk .usage.completion_tokens');
  });
});

describe('two answers differ', () => {
  test.each([
    ['by status', answer('{}', { status: 400 }), answer('{}'), 'status 400, not 200'],
    ['by how a number is written', answer('{"temperature":1.0}'), answer('{"temperature":1}'), 'json.temperature'],
    ['by a key', answer('{"a":null,"b":1}'), answer('{"a":null}'), 'json{}: -b'],
    ['by the order of keys', answer('{"a":null,"b":1}'), answer('{"b":1,"a":null}'), 'json{}: order of the keys'],
    ['by the words of an error', answer('{"message":"no"}'), answer('{"message":"No"}'), 'json.message: another text'],
    ['by an empty text', answer('{"content":""}'), answer('{"content":"x"}'), 'json.content'],
    ['by a cut connection', answer('{}', { ending: 'closed' }), answer('{}'), 'ending closed, not complete'],
    ['by a header', answer('{}', { headers: [['allow', 'POST']] }), answer('{}', { headers: [] }), 'head: -allow: POST'],
  ])('%s', (_, expected, actual, group) => {
    expect(groups(expected, actual)).toContain(group);
  });

  test('by an event of a stream', () => {
    const ended = answer('data: {"choices":[]}\n\ndata: [DONE]\n\n', { chunks: [''] });
    const failed = answer('data: {"error":{"code":400}}\n\ndata: [DONE]\n\n', { chunks: [''] });
    expect(groups(failed, ended)).toEqual(['stream: error, not chunk']);
  });
});

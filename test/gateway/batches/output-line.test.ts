import { expect, test } from 'vitest';
import { usageOf } from '../../../gateway/batches/line-usage.ts';
import { answerLine, unansweredLine } from '../../../gateway/batches/output-line.ts';

test('an answer stands in its line byte for byte, with what breaks lines made spaces', () => {
  const text = '{\n  "seed": 12345678901234567890,\r\n  "f": 1.0, "t": "a\\nb"\n}\n';
  const line = answerLine('r1', '"my \\u0041"', { status: 200, bytes: Buffer.from(text) }).toString();
  expect(line).toBe(
    '{"id":"batch_req_r1","custom_id":"my \\u0041","response":{"status_code":200,"request_id":"r1","body":' +
      `${text.replaceAll(/[\r\n]/g, ' ')}},"error":null}\n`,
  );
  expect(JSON.parse(line)).toMatchObject({ custom_id: 'my A', response: { body: { t: 'a\nb' } } });
});

test.each([
  ['bytes that are no text', Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]), '{"a":"\ufffd\ufffd"}'],
  ['a number that JSON has not', Buffer.from('{"logprob":NaN}'), '{"logprob":NaN}'],
  ['what goes on behind its end', Buffer.from('{"a":1}{"b":2}'), '{"a":1}{"b":2}'],
])('the file can be read whatever a worker answers: %s', (_, bytes, body) => {
  const line = answerLine('r', '"x"', { status: 200, bytes });
  expect(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(line))).toMatchObject({ response: { body } });
});

test('what is no JSON is a string, and what has no answer says why', () => {
  expect(JSON.parse(answerLine('r', '"x"', { status: 200, bytes: Buffer.from('plain\n') }).toString())).toMatchObject({
    response: { body: 'plain\n' },
  });
  expect(JSON.parse(unansweredLine('r', '"x"', { code: 'batch_expired', message: 'm' }).toString())).toEqual({
    ...{ id: 'batch_req_r', custom_id: 'x', response: null },
    error: { code: 'batch_expired', message: 'm' },
  });
});

test('tokens are what the answer says', () => {
  const usage = {
    prompt_tokens: 9,
    completion_tokens: 4,
    prompt_tokens_details: { cached_tokens: 3 },
    completion_tokens_details: { reasoning_tokens: 2 },
  };
  expect(usageOf(Buffer.from(JSON.stringify({ id: 1, usage })))).toEqual({ input: 9, cached: 3, output: 4, reasoning: 2 });
  expect(usageOf(Buffer.from('{"data":[]}'))).toBeNull();
});

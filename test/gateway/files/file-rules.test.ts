import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { GatewayError } from '../../../gateway/core/errors.ts';
import { checkPurpose, expirySeconds, inputRefusal, keptName, PURPOSES } from '../../../gateway/files/file-rules.ts';
import { inRange } from '../../../gateway/openai/param-refusals.ts';
import { errorBody } from '../../../gateway/openai/error-body.ts';

function refused(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return (errorBody(error as GatewayError, 'openai') as { error: unknown }).error;
  }
  return null;
}

const TYPE = { type: 'invalid_request_error' };

test('a purpose is one of OpenAI’s', () => {
  for (const purpose of PURPOSES) expect(refused(() => checkPurpose(purpose))).toBeNull();
  expect(refused(() => checkPurpose('answers'))).toEqual({
    ...TYPE,
    message: "Invalid value: 'answers'. Supported values are: 'assistants', 'batch', 'fine-tune', 'vision', 'user_data', 'evals'.",
    param: 'purpose',
    code: 'invalid_value',
  });
  expect(refused(() => checkPurpose('batch_output'))).toMatchObject({ param: 'purpose' });
});

describe('expires_after', () => {
  test.each([
    [undefined, undefined, null],
    ['created_at', '3600', 3_600],
    ['created_at', '2592000', 2_592_000],
  ])('%s + %s is %s', (anchor, seconds, expected) => expect(expirySeconds(anchor, seconds)).toBe(expected));

  test.each([
    ['created_at', '3599', 'expires_after.seconds', 'integer_below_min_value'],
    ['created_at', '-1', 'expires_after.seconds', 'integer_below_min_value'],
    ['created_at', '2592001', 'expires_after.seconds', 'integer_above_max_value'],
    ['created_at', 'soon', 'expires_after.seconds', 'invalid_type'],
    ['created_at', '3600.5', 'expires_after.seconds', 'invalid_type'],
    ['created_at', '', 'expires_after.seconds', 'invalid_type'],
    ['last_active_at', '3600', 'expires_after.anchor', 'invalid_value'],
    [undefined, '3600', 'expires_after.anchor', 'missing_required_parameter'],
    ['created_at', undefined, 'expires_after.seconds', 'missing_required_parameter'],
  ])('%s + %s is refused', (anchor, seconds, param, code) => {
    expect(refused(() => expirySeconds(anchor, seconds))).toMatchObject({ ...TYPE, param, code });
  });
});

test('a number out of its range is told with OpenAI’s words', () => {
  expect(refused(() => inRange(0, 1, 10, 'limit'))).toEqual({
    ...TYPE,
    message: "Invalid 'limit': integer below minimum value. Expected a value >= 1, but got 0 instead.",
    param: 'limit',
    code: 'integer_below_min_value',
  });
  expect(refused(() => inRange(11, 1, 10, 'limit'))).toMatchObject({ code: 'integer_above_max_value' });
  expect(inRange(10, 1, 10, 'limit')).toBe(10);
});

describe('the name of a file', () => {
  test('is kept as it came, but for what a database does not take', () => {
    expect(keptName('../../etc/passwd')).toBe('../../etc/passwd');
    expect(keptName('a\0b')).toBe('a\ufffdb');
    expect(keptName('a\ud800b')).toBe('a\ufffdb');
    expect(keptName('x'.repeat(300))).toHaveLength(300);
    expect(keptName(undefined)).toBe('upload');
    expect(keptName('')).toBe('upload');
    expect(refused(() => keptName('x'.repeat(1_025)))).toMatchObject({ param: 'file' });
  });
});

describe('input of a batch', () => {
  const head = (text: string, hasMore = false) => inputRefusal(Buffer.from(text), hasMore) === null;
  test.each([
    ['{"a":1}\nwhatever', true],
    ['\r\n \n{"a":1}\r\n', true],
    ['\ufeff{"a":1}', true],
    ['', false],
    ['\n\n', false],
    ['hello\n{"a":1}', false],
    ['[1]\n', false],
    ['null\n', false],
    ['{"a":1', false],
    ['{"a":1\n}', false],
  ])('%j: %s', (text, expected) => expect(head(text)).toBe(expected));

  test('with a first line longer than what is looked at is judged by its beginning', () => {
    expect(head('{"a":"xxxx', true)).toBe(true);
    expect(head('[{"a":"xxxx', true)).toBe(false);
    expect(head('\n\n\n', true)).toBe(false);
  });

  test('that is none is told as OpenAI does', () => {
    const error = inputRefusal(Buffer.from('no'), false)!;
    const message = 'Invalid file format for Batch API. Must be .jsonl';
    expect(errorBody(error, 'openai')).toEqual({ error: { ...TYPE, message, param: null, code: null } });
  });

  test('is never found by throwing', () => {
    fc.assert(fc.property(fc.uint8Array(), fc.boolean(), (bytes, hasMore) => void inputRefusal(Buffer.from(bytes), hasMore)));
  });
});

import { describe, expect, test } from 'vitest';
import { ERRORS, GatewayError, type ErrorDetails, type ErrorKind } from '../../../gateway/core/errors.ts';
import { errorReplyParts } from '../../../gateway/openai/error-reply.ts';
import { seededRandom } from '../../support/seeded-random.ts';

function parts(kind: ErrorKind, details: ErrorDetails = {}, seed = 1) {
  return errorReplyParts(new GatewayError(kind, 'In plain words.', details), 'openai', seededRandom(seed));
}

const kinds = Object.keys(ERRORS) as ErrorKind[];

test.each(kinds)('%s: JSON in one shape, with the reason, and one clear word on whether to retry', (kind) => {
  const { status, headers, body } = parts(kind);
  const row = ERRORS[kind];
  expect(status).toBe(row.status);
  expect(headers['content-type']).toBe('application/json');
  expect(headers['x-headgate-reason']).toBe(row.reason);
  expect(JSON.parse(body)).toEqual({ error: { message: 'In plain words.', type: row.type, param: null, code: row.code } });
  expect('retry-after' in headers).toBe(row.retry === true);
  expect('retry-after-ms' in headers).toBe(row.retry === true);
  expect(headers['x-should-retry']).toBe(row.retry === false ? 'false' : undefined);
});

test('what only an operator can change is said to be in vain for who retries by itself, and when to look again for others', () => {
  const { headers } = parts('no_worker', { retryAfterMs: 60_000, hopeless: true });
  expect(headers).toMatchObject({ 'x-should-retry': 'false', 'retry-after': expect.stringMatching(/^\d\d$/) });
});

test('every 503 and 429 says when to come back', () => {
  for (const kind of kinds) {
    const row = ERRORS[kind];
    if (row.status === 503) expect(parts(kind).headers['retry-after']).toMatch(/^\d+$/);
  }
  expect(parts('queue_full', { status: 429, type: 'rate_limit_error', code: 'slow_down' })).toMatchObject({
    status: 429,
    headers: { 'retry-after': expect.stringMatching(/^\d+$/) },
  });
});

describe('the time to come back', () => {
  test.each([
    { retryAfterMs: undefined, base: 1_000 },
    { retryAfterMs: 0, base: 1_000 },
    { retryAfterMs: 10, base: 1_000 },
    { retryAfterMs: 7_000, base: 7_000 },
    { retryAfterMs: 45_000, base: 45_000 },
    { retryAfterMs: 3_600_000, base: 45_384 },
    { retryAfterMs: Infinity, base: 45_384 },
  ])('for $retryAfterMs ms: whole seconds from 1 to 59, and milliseconds with jitter around $base', ({ retryAfterMs, base }) => {
    const seen = new Set<number>();
    for (let seed = 0; seed < 300; seed++) {
      const { headers } = parts('queue_full', retryAfterMs === undefined ? {} : { retryAfterMs }, seed);
      const seconds = Number(headers['retry-after']);
      const ms = Number(headers['retry-after-ms']);
      expect(Number.isInteger(seconds)).toBe(true);
      expect(seconds).toBeGreaterThanOrEqual(1);
      expect(seconds).toBeLessThanOrEqual(59);
      expect(Number.isInteger(ms)).toBe(true);
      expect(ms).toBeGreaterThanOrEqual(Math.floor(base * 0.7));
      expect(ms).toBeLessThanOrEqual(Math.min(Math.ceil(base * 1.3), 59_000));
      // A client that reads only one of them comes back at about the same time.
      expect(Math.abs(seconds * 1_000 - ms)).toBeLessThanOrEqual(1_000);
      seen.add(ms);
    }
    expect(seen.size).toBeGreaterThan(200);
  });
});

test.each([1_000, 7_000, 42_000, 73_000, 3_600_000])(
  'who is told of %i ms comes back no sooner, and reads the same time in words',
  (retryAfterMs) => {
    const seen = new Set<number>();
    for (let seed = 0; seed < 100; seed++) {
      const { headers, body } = parts('model_loading', { retryAfterMs, namesTime: true }, seed);
      const { message } = (JSON.parse(body) as { error: { message: string } }).error;
      const why = retryAfterMs > 59_000 ? ': clients wait a minute at most' : '';
      expect(message).toBe(`In plain words. Ask again in ${headers['retry-after']} s${why}.`);
      const ms = Number(headers['retry-after-ms']);
      expect(ms).toBeGreaterThanOrEqual(Math.min(retryAfterMs, 45_000));
      expect(ms).toBeLessThanOrEqual(59_000);
      seen.add(ms);
    }
    // Nor do all of them come at once.
    expect(seen.size).toBeGreaterThan(50);
  },
);

test('details replace what the table says, and add what the case needs', () => {
  const { status, headers, body } = parts('method_not_allowed', { allow: 'GET, HEAD', close: true, param: 'model', code: null });
  expect(status).toBe(405);
  expect(headers['allow']).toBe('GET, HEAD');
  expect(headers['connection']).toBe('close');
  expect(JSON.parse(body).error).toMatchObject({ param: 'model', code: null });
  expect(parts('invalid_value').headers).not.toHaveProperty('allow');
  expect(parts('invalid_value').headers).not.toHaveProperty('connection');
});

test('a worker’s own 4xx keeps its status and its code', () => {
  const { status, body } = parts('invalid_value', { status: 422, code: 'context_length_exceeded' });
  expect(status).toBe(422);
  expect(JSON.parse(body).error.code).toBe('context_length_exceeded');
});

test('Anthropic’s dialect has Anthropic’s shape', () => {
  const { body } = errorReplyParts(new GatewayError('deadline', 'Too long.'), 'anthropic', seededRandom(1));
  expect(JSON.parse(body)).toEqual({ type: 'error', error: { type: 'timeout_error', message: 'Too long.' } });
});

import { expect, test } from 'vitest';
import { type ErrorDetails, type ErrorKind, ERRORS, GatewayError } from '../../../../gateway/core/errors.ts';
import { sorted } from '../../../../gateway/batches/runner/sorting.ts';

const bytes = Buffer.from('{}');

function kindOf(kind: ErrorKind, details: ErrorDetails = {}, how: 'refused' | 'broken' = 'refused') {
  const error = new GatewayError(kind, 'said', details);
  return sorted({ outcome: { kind: how, error }, status: error.status, bytes }, false);
}

test('an answer is an answer, whatever we had wanted of its call', () => {
  expect(sorted({ outcome: { kind: 'complete', status: 200 }, status: 200, bytes }, true)).toEqual({
    kind: 'answered',
    answer: { status: 200, bytes },
  });
});

test('what we cut ourselves counts for nothing', () => {
  expect(sorted({ outcome: { kind: 'disconnected', phase: 'stream' }, status: 200, bytes }, false)).toEqual({ kind: 'taken back' });
  const error = new GatewayError('client_disconnected', 'x');
  expect(sorted({ outcome: { kind: 'refused', error }, status: 499, bytes }, true)).toEqual({ kind: 'taken back' });
});

test.each(['queue_full', 'queue_timeout', 'kv_pressure', 'breaker_open', 'worker_busy', 'model_loading', 'no_worker', 'draining'] as const)(
  '%s is waited out, by the whole model',
  (kind) => expect(kindOf(kind, { retryAfterMs: 300 })).toMatchObject({ kind: 'later', why: kind, whose: 'model', afterMs: 300 }),
);

test('what is said of one request holds up no other line of its model', () => {
  expect(kindOf('worker_busy', { retryAfterMs: 300, onlyThis: true })).toMatchObject({ kind: 'later', whose: 'line' });
});

test.each(['upstream_error', 'upstream_timeout', 'deadline', 'internal'] as const)('%s counts', (kind) =>
  expect(kindOf(kind)).toMatchObject({ kind: 'failed', answer: { status: ERRORS[kind].status } }),
);

test.each(['invalid_value', 'model_not_found', 'request_too_large', 'suspect'] as const)('%s is the line’s own end', (kind) =>
  expect(kindOf(kind)).toMatchObject({ kind: 'refused', answer: { status: ERRORS[kind].status } }),
);

test('a worker that dies is not the line’s fault', () =>
  expect(kindOf('upstream_disconnected', {}, 'broken')).toMatchObject({ kind: 'later', whose: 'line' }));

test('over a limit its owner waits as long as was said; what no wait would help ends', () => {
  expect(kindOf('rate_limited', { retryAfterMs: 40_000 })).toMatchObject({ kind: 'limited', afterMs: 40_000 });
  expect(kindOf('rate_limited', { hopeless: true })).toMatchObject({ kind: 'refused' });
  expect(kindOf('quota_exceeded', { hopeless: true, retryAfterMs: 3_600_000 })).toMatchObject({ kind: 'spent', afterMs: 3_600_000 });
  expect(kindOf('quota_exceeded', { hopeless: true })).toMatchObject({ kind: 'refused' });
  expect(kindOf('invalid_api_key')).toMatchObject({ kind: 'keyless' });
});

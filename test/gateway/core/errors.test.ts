import { describe, expect, test } from 'vitest';
import { ERRORS, GatewayError, type ErrorKind, type ErrorRow } from '../../../gateway/core/errors.ts';

const rows = Object.entries(ERRORS) as [ErrorKind, ErrorRow][];

describe('the table', () => {
  test.each(rows)('%s: its status fits whose fault it is', (kind, { status, origin, retry, reason }) => {
    expect(origin === 'client').toBe(status < 500);
    const isForAWhile = status === 503 || status === 429 || kind === 'idempotency_in_progress';
    if (origin === 'client') expect(retry).toBe(isForAWhile);
    // What is refused because of load, or for a while, says when to come back.
    expect(retry === true).toBe(isForAWhile);
    if (kind !== 'not_cached' && (reason === 'client_error' || reason === 'suspect')) expect(origin).toBe('client');
  });

  test('holds what clients were promised', () => {
    const promised: [ErrorKind, number, string, string, string][] = [
      ['queue_full', 503, 'service_unavailable_error', 'server_is_overloaded', 'queue_full'],
      ['queue_timeout', 503, 'service_unavailable_error', 'server_is_overloaded', 'queue_timeout'],
      ['kv_pressure', 503, 'service_unavailable_error', 'server_is_overloaded', 'kv_pressure'],
      ['breaker_open', 503, 'service_unavailable_error', 'server_is_overloaded', 'breaker_open'],
      ['model_loading', 503, 'service_unavailable_error', 'model_loading', 'worker_starting'],
      ['no_worker', 503, 'service_unavailable_error', 'no_worker', 'no_worker'],
      ['draining', 503, 'service_unavailable_error', 'server_shutting_down', 'draining'],
      ['upstream_error', 502, 'server_error', 'upstream_error', 'upstream'],
      ['upstream_disconnected', 502, 'server_error', 'upstream_disconnected', 'upstream'],
      ['upstream_timeout', 504, 'server_error', 'timeout', 'upstream_timeout'],
      ['deadline', 504, 'server_error', 'timeout', 'deadline'],
      ['suspect', 422, 'invalid_request_error', 'request_crashed_worker', 'suspect'],
      ['internal', 500, 'server_error', 'internal_error', 'internal'],
      ['invalid_api_key', 401, 'authentication_error', 'invalid_api_key', 'client_error'],
      ['model_not_found', 404, 'invalid_request_error', 'model_not_found', 'client_error'],
      ['request_too_large', 413, 'invalid_request_error', 'request_too_large', 'client_error'],
    ];
    for (const [kind, status, type, code, reason] of promised) expect(ERRORS[kind]).toMatchObject({ status, type, code, reason });
  });
});

describe('an error', () => {
  test('takes its status from the table, unless the case has one of its own', () => {
    expect(new GatewayError('queue_full', 'full').status).toBe(503);
    expect(new GatewayError('queue_full', 'full', { status: 429 }).status).toBe(429);
    expect(new GatewayError('queue_full', 'full').reason).toBe('queue_full');
  });

  test('takes no stack, and leaves that of others alone', () => {
    const before = Error.stackTraceLimit;
    expect(new GatewayError('queue_full', 'full').stack?.split('\n')).toHaveLength(1);
    expect(Error.stackTraceLimit).toBe(before);
    expect(new Error('a bug').stack!.split('\n').length).toBeGreaterThan(1);
  });

  test('keeps its cause', () => {
    const cause = new Error('ECONNREFUSED');
    expect(new GatewayError('upstream_error', 'no', { cause }).cause).toBe(cause);
    expect('cause' in new GatewayError('upstream_error', 'no')).toBe(false);
  });
});

import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../../gateway/core/errors.ts';
import { UNNAMED_HOST } from '../../../gateway/http/server.ts';
import { Visitors, type VisitorRules } from '../../../gateway/http/visitors.ts';

const LOOPBACK: VisitorRules = { hosts: ['127.0.0.1'], origins: 'local' };

/** What comes of a request with these headers: "in", or the kind of the refusal. */
function visit(headers: Record<string, string>, { rules = LOOPBACK, method = 'POST', path = '/v1/chat/completions' } = {}): string {
  const incoming = { headers: { host: 'localhost:8080', ...headers }, method, url: path } as unknown as IncomingMessage;
  try {
    new Visitors(() => rules).check(incoming);
    return 'in';
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return error.kind;
  }
}

describe('a listener that only this machine reaches', () => {
  test.each([
    ...['localhost', 'LOCALHOST:8080', 'localhost.', 'chat.localhost:8080', '127.0.0.1', '127.0.0.1:9000', '[::1]', '[::1]:8080'],
    ...['10.0.0.7:8080', '192.168.1.4', '[fe80::1]:8080', 'host.docker.internal:8080', 'host.containers.internal', UNNAMED_HOST],
  ])('answers to %s', (host) => {
    expect(visit({ host })).toBe('in');
  });

  // A page whose own name leads here sends that name.
  test.each([
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example:8080',
    'evil.example:8080',
    'evillocalhost',
    'docker.internal',
    'gpu-box',
    '',
  ])('does not answer to %j', (host) => {
    expect(visit({ host })).toBe('host_not_allowed');
    for (const path of ['/metrics', '/stats', '/v1/models', '/admin/status', '/version', '/readyz?verbose', '/nowhere'])
      expect(visit({ host }, { method: 'GET', path })).toBe('host_not_allowed');
  });

  test('answers to the name that it was given', () => {
    expect(visit({ host: 'Gpu-Box.localhost:8080' }, { rules: { hosts: ['gpu-box.localhost'], origins: 'local' } })).toBe('in');
  });

  test.each(['/livez', '/readyz', '/health', '/startupz'])('lets a balancer ask %s by any name', (path) => {
    expect(visit({ host: 'balancer.example' }, { method: 'GET', path })).toBe('in');
  });

  test('does not take a name for good that only a probe was asked by, nor under other rules', () => {
    let rules: VisitorRules = { ...LOOPBACK, hosts: null };
    const visitors = new Visitors(() => rules);
    const check = (path: string) => visitors.check({ headers: { host: 'evil.example' }, method: 'GET', url: path } as IncomingMessage);
    check('/v1/models');
    rules = LOOPBACK;
    check('/livez');
    expect(() => check('/v1/models')).toThrow(expect.objectContaining({ kind: 'host_not_allowed' }) as GatewayError);
  });

  test('says what helps', () => {
    const incoming = { headers: { host: 'chat.example' }, method: 'GET', url: '/v1/models' } as IncomingMessage;
    expect(() => new Visitors(() => LOOPBACK).check(incoming)).toThrow(/chat\.example.*localhost.*auth\.allow_anonymous: true/);
  });
});

test('a listener that others reach answers to every name', () => {
  expect(visit({ host: 'headgate.svc.cluster.local' }, { rules: { hosts: null, origins: 'local' } })).toBe('in');
});

describe('a page of another origin', () => {
  test.each<[Record<string, string>]>([
    [{ origin: 'https://evil.example' }],
    [{ origin: 'null' }],
    [{ origin: 'http://localhost.evil.example' }],
    [{ origin: 'http://127.0.0.2:8080' }],
    [{ origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
    [{ origin: 'https://other.example', host: '127.0.0.1:8080', 'x-forwarded-host': 'chat.example' }],
  ])('sends nothing that needs no leave: %j', (headers) => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) expect(visit(headers, { method })).toBe('origin_not_allowed');
    expect(visit(headers, { path: '/v1/audio/transcriptions' })).toBe('origin_not_allowed');
    // Its browser keeps the answer from it.
    expect(visit(headers, { method: 'GET', path: '/v1/models' })).toBe('in');
    expect(visit({ ...headers, 'access-control-request-method': 'POST' }, { method: 'OPTIONS' })).toBe('origin_not_allowed');
    expect(visit(headers, { rules: { hosts: null, origins: 'any' } })).toBe('in');
  });

  test.each<[Record<string, string>]>([
    [{ origin: 'http://localhost:8080' }],
    [{ origin: 'http://localhost:3000', 'sec-fetch-site': 'same-site' }],
    [{ origin: 'http://127.0.0.1:5173', 'sec-fetch-site': 'cross-site' }],
    [{ origin: 'https://[::1]' }],
    [{ origin: 'https://chat.example', 'sec-fetch-site': 'same-origin', host: '127.0.0.1:8080' }],
    [{ origin: 'http://chat.example', 'x-forwarded-host': 'chat.example', host: '127.0.0.1:8080' }],
  ])('is not this: %j', (headers) => {
    expect(visit(headers)).toBe('in');
  });

  test('may call where it is listed, and no other then', () => {
    const rules: VisitorRules = { hosts: ['127.0.0.1'], origins: ['https://chat.example'] };
    expect(visit({ origin: 'https://chat.example' }, { rules })).toBe('in');
    expect(visit({ origin: 'http://localhost:3000' }, { rules })).toBe('origin_not_allowed');
    expect(visit({ origin: 'http://localhost:8080' }, { rules })).toBe('in');
  });
});

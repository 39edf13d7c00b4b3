import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hostOf, pathOf, UNNAMED_HOST } from '../../../gateway/http/server.ts';
import { refused } from '../openai/refused.ts';

describe('the path of a target', () => {
  test.each([
    ['/', '/'],
    ['/health', '/health'],
    ['/health?verbose', '/health'],
    ['/v1/chat/completions?x=/../y#z', '/v1/chat/completions'],
    ['/a-b_c.d~e/f:g@h', '/a-b_c.d~e/f:g@h'],
    ['/v1/models/org%2Fmodel', '/v1/models/org%2Fmodel'],
    ['/v1/models/org/model', '/v1/models/org/model'],
    ['/...', '/...'],
    // Looked up as they are written, and not found: the answer says what may have been meant.
    ['//', '//'],
    ['/a//b', '/a//b'],
    ['/a/', '/a/'],
  ])('%s', (target, path) => {
    expect(pathOf(target)).toBe(path);
  });

  test.each([
    '/a/../b',
    '/..',
    '/.',
    '/a/.',
    '/%61',
    '/a%2fb',
    '/a\\b',
    '/a b',
    '/é',
    '/v1/models/%',
    '/v1/models/%g0',
    '/v1/models/../x',
    '/v1/models/a/../../b',
    '/a"b',
    '/<',
    '/{',
  ])('no route can have %j', (target) => {
    expect(pathOf(target)).toBeNull();
  });

  test.each(['', '*', 'health', '?x', '\\health'])('%j is in no origin form', (target) => {
    refused('invalid_target', () => pathOf(target));
  });

  test('is never one that a URL parser would read as another', () => {
    const piece = fc.constantFrom(
      'a',
      'v1',
      'models',
      '.',
      '..',
      '%2e',
      '%2E%2e',
      '/',
      '//',
      '\\',
      '%5c',
      ';',
      '@',
      ':',
      '%00',
      'é',
      ' ',
      '?',
      '#',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const target = `/${pieces.join('')}`;
        const path = pathOf(target);
        if (path === null || path.startsWith('/v1/models/')) return;
        expect(new URL(`http://x${path}`).pathname).toBe(path);
        expect(decodeURIComponent(path)).toBe(path);
      }),
      { numRuns: 2_000 },
    );
  });

  test('is found in no time, however long the target', () => {
    for (const unit of ['/a', '/', 'a', '%2f', '/..', '/.']) {
      const startedAt = process.cpuUsage();
      pathOf(`/v1/models/${unit.repeat(8_000)}!"`);
      pathOf(`/${unit.repeat(8_000)}"`);
      expect(process.cpuUsage(startedAt).user / 1_000).toBeLessThan(200);
    }
  });
});

describe('the host', () => {
  test.each(['a', 'a:8080', 'A.Example:1', '127.0.0.1', '[::1]:443', 'a_b.c-d', 'a:1', 'a:65535'])('%s', (host) => {
    expect(hostOf(['Accept', '*/*', 'Host', host], '1.1')).toBe(host);
  });

  test.each([
    '',
    'a b',
    'a,b',
    'a/b',
    'a@b',
    'a#b',
    'a?b',
    'a\\b',
    'a:',
    'a:b',
    'a:65536',
    'a:99999',
    '1.2.3.256:80',
    '0x1:80',
    '[::1',
    '[1::2::3]',
    '[0:0::1]',
    'é',
    'a%41',
  ])('not %j', (host) => {
    refused('invalid_host', () => hostOf(['Host', host], '1.1'));
  });

  test('must be there, once', () => {
    refused('invalid_host', () => hostOf([], '1.1'));
    refused('invalid_host', () => hostOf(['Host', 'a', 'HOST', 'a'], '1.1'));
    refused('invalid_host', () => hostOf(['Host', 'a', 'host', 'b'], '1.0'));
    // A value is no name.
    refused('invalid_host', () => hostOf(['x', 'host', 'y', 'a'], '1.1'));
  });

  test('need not be there in HTTP/1.0', () => {
    expect(hostOf([], '1.0')).toBe(UNNAMED_HOST);
    refused('invalid_host', () => hostOf(['Host', ''], '1.0'));
  });
});

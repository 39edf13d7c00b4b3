import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseResponseHead } from '../../../../gateway/workers/wire/response-head.ts';
import { absent, present, recordings } from '../../openai/recordings.ts';

const parse = (text: string) => parseResponseHead(Buffer.from(text, 'latin1'));
const ok = (headers: string) => parse(`HTTP/1.1 200 OK\r\n${headers}\r\n\r\n`);

describe('a head', () => {
  test('says what kind of body follows, and where', () => {
    expect(parse('HTTP/1.1 200 OK\r\ncontent-type: Application/JSON\r\ncontent-length: 7\r\n\r\n{"a":1}')).toEqual({
      status: 200,
      contentType: 'application/json',
      framing: { kind: 'length', bytes: 7 },
      keepAlive: true,
      keepAliveSeconds: null,
      requestId: null,
      contentEncoding: '',
      metadata: null,
      retryAfter: null,
      bodyStart: 70,
    });
  });

  test.each([
    ['content-length: 0', { kind: 'length', bytes: 0 }],
    ['Content-Length:\t5 ', { kind: 'length', bytes: 5 }],
    ['content-length : 5', { kind: 'length', bytes: 5 }],
    ['content-length: 5\r\nCONTENT-LENGTH: 5', { kind: 'length', bytes: 5 }],
    ['transfer-encoding: Chunked', { kind: 'chunked' }],
    ['x: y', { kind: 'until-close' }],
  ])('with %j', (headers, framing) => {
    expect(ok(headers)).toMatchObject({ framing });
  });

  test.each([
    [100, { kind: 'length', bytes: 0 }],
    [204, { kind: 'length', bytes: 0 }],
    [304, { kind: 'length', bytes: 0 }],
    [500, { kind: 'length', bytes: 9 }],
  ])('of status %i with a length of 9', (status, framing) => {
    expect(parse(`HTTP/1.1 ${status} X\r\ncontent-length: 9\r\n\r\n`)).toMatchObject({ status, framing });
  });

  test.each([
    ['HTTP/1.1', 'content-length: 0', true],
    ['HTTP/1.0', 'content-length: 0', false],
    ['HTTP/1.1', 'content-length: 0\r\nconnection: close', false],
    ['HTTP/1.1', 'content-length: 0\r\nConnection: x, Close', false],
    ['HTTP/1.0', 'content-length: 0\r\nconnection: keep-alive', true],
    ['HTTP/1.1', 'x: y', false],
  ])('%s with %j: the connection may be kept is %s', (version, headers, keepAlive) => {
    expect(parse(`${version} 200 OK\r\n${headers}\r\n\r\n`)).toMatchObject({ keepAlive });
  });

  test('may say how long the connection is kept', () => {
    expect(ok('keep-alive: timeout=5, max=100')).toMatchObject({ keepAliveSeconds: 5 });
    expect(ok('keep-alive: max=100')).toMatchObject({ keepAliveSeconds: null });
  });

  test('need not have a reason or any header', () => {
    expect(parse('HTTP/1.1 200\r\n\r\n')).toMatchObject({ status: 200, contentType: '' });
  });
});

describe('a head that is not to be trusted', () => {
  test.each([
    'HTTP/2 200 OK\r\n\r\n',
    'HTTP/1.2 200 OK\r\n\r\n',
    'http/1.1 200 OK\r\n\r\n',
    'HTTP/1.1 99 OK\r\n\r\n',
    'HTTP/1.1 600 OK\r\n\r\n',
    'HTTP/1.1 2000 OK\r\n\r\n',
    'HTTP/1.1  200 OK\r\n\r\n',
    'SSH-2.0-x',
    '{"a":1}',
    ' HTTP/1.1 200 OK',
    '\r\n',
  ])('%j', (text) => {
    expect(parse(text)).toBe('invalid');
  });

  test.each([
    'content-length: 5\r\ncontent-length: 6',
    'content-length: -5',
    'content-length: 5, 5',
    'content-length: 0x5',
    'content-length: 5e0',
    'content-length:',
    'content-length: 9999999999999999',
    'content-length: 5\r\ntransfer-encoding: chunked',
    'transfer-encoding: gzip, chunked',
    'transfer-encoding: chunked, identity',
    'transfer-encoding: identity',
    'transfer-encoding: \x0bchunked',
    'no colon',
    ': no name',
    'x: y\r\n folded: z',
    'x: y\r\n\tfolded',
    'x: y\nset-cookie: z',
    'x: y\rset-cookie: z',
    'x: \0',
    'x\x01: y',
  ])('with %j', (headers) => {
    expect(ok(headers)).toBe('invalid');
  });

  test('that does not end', () => {
    const line = `x: ${'y'.repeat(1_000)}\r\n`;
    expect(parse(`HTTP/1.1 200 OK\r\n${line.repeat(10)}`)).toBeNull();
    expect(parse(`HTTP/1.1 200 OK\r\n${line.repeat(330)}`)).toBe('invalid');
    expect(parse(`HTTP/1.1 200 OK\r\n${line.repeat(330)}\r\n`)).toBe('invalid');
  });
});

test('every beginning of a head is incomplete, and whatever follows it is the body', () => {
  const head = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n';
  for (let length = 0; length < head.length; length++) expect(parse(head.slice(0, length))).toBeNull();
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (rest) => {
      expect(parse(head + rest)).toMatchObject({ bodyStart: head.length, framing: { kind: 'chunked' } });
    }),
  );
});

test('any bytes are read, found incomplete or refused, and never an exception', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, begun) => {
      const all = Buffer.concat([Buffer.from(begun ? 'HTTP/1.1 200 OK\r\n' : ''), bytes, Buffer.from('\r\n\r\n')]);
      const head = parseResponseHead(all);
      expect(head === null || head === 'invalid' || head.status === 200).toBe(true);
    }),
    { numRuns: 1_000 },
  );
});

describe.skipIf(!present)(`recorded heads${absent}`, () => {
  test.each(recordings(/./))('$name', ({ status, contentType, body }) => {
    const type = contentType === '' ? '' : `content-type: ${contentType}\r\n`;
    expect(parse(`HTTP/1.1 ${status} X\r\nserver: uvicorn\r\n${type}content-length: ${body.length}\r\nvary: Origin\r\n\r\n`)).toMatchObject(
      {
        status,
        contentType: contentType.toLowerCase(),
      },
    );
  });
});

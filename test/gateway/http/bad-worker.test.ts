import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { gzipSync } from 'node:zlib';
import { event } from '../../support/fake-vllm.ts';
import { startTestGateway, until, type TestGateway } from '../../support/gateway.ts';
import { ask, type RawAnswer } from '../../support/raw-client.ts';
import { CHAT, expectRefusal, request, SECRET } from './front-door.ts';
import { chunk, LAST_CHUNK, startRawWorker, STREAM_HEAD, whole, type RawWorker } from './raw-worker.ts';

// Case 53 of the bad inputs: a worker that answers nonsense.

const STREAM = '{"model":"m","stream":true,"messages":[]}';
const GOOD = '{"id":"x","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}';
const TRACE = `Traceback (most recent call last):\n  File "/opt/vllm/engine.py", line 1, in step\n${SECRET}`;

let worker: RawWorker;
let gateway: TestGateway;
beforeAll(async () => {
  worker = await startRawWorker();
  gateway = await startTestGateway([worker.url], {
    // Failures are what this is about: they must not keep the worker from being asked.
    circuit_breaker: { failures: 1_000, min_requests: 1_000 },
    retry: { max_attempts: 1 },
    timeouts: { first_token_ms: 3_000, idle_ms: 3_000, request_total_ms: 3_000 },
    stream: { keep_alive_ms: 0 },
  });
  await gateway.gateway.firstReady;
});
afterEach(async () => {
  await until(() => gateway.gateway.figures.inFlight() === 0, 'nothing in flight');
  // Whatever is left on a kept connection must not be taken for the answer to the next request.
  worker.say = (socket) => void socket.write(whole(GOOD));
  const next = await chat(CHAT);
  expect({ status: next.status, body: next.body }).toEqual({ status: 200, body: GOOD });
});
afterAll(async () => {
  await gateway.stop();
  await worker[Symbol.asyncDispose]();
  expect(gateway.log.filter((line) => line['event'] === 'internal.error')).toEqual([]);
  expect(JSON.stringify(gateway.log)).not.toContain(SECRET);
});

function chat(body: string): Promise<RawAnswer> {
  return ask(gateway.port, request({ body }));
}

/** What a proxy makes of an answer that it was asked not to compress. */
function inGzip(body: Buffer): Buffer {
  const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n';
  return Buffer.concat([Buffer.from(head), body]);
}

/** Attempts whose worker failed. */
function failures(): number {
  return gateway.log.filter(({ event: name, outcome }) => name === 'attempt' && outcome === 'failure').length;
}

/** Says `bytes`; `close` ends the connection after them. */
function says(bytes: string | Buffer, close = false): void {
  const all = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
  worker.say = (socket) => void (close ? socket.end(all) : socket.write(all));
}

describe('answers that are no answers are told as 502 and booked as a failure of the worker', () => {
  const json = (body: string, headers: string): string => `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n${headers}\r\n\r\n${body}`;

  test.each<[string, string | Buffer, boolean?]>([
    ['HTML', whole(`<html>${SECRET}</html>`, 'content-type: text/html')],
    ['plain text', whole(SECRET, 'content-type: text/plain')],
    ['JSON that breaks off', whole(`{"id":"x","choices":[{"message":{"content":"${SECRET}`)],
    ['an empty body', whole('')],
    ['JSON in a coding that is not known', whole(GOOD, 'content-type: application/json\r\ncontent-encoding: lzma')],
    ['JSON in gzip, broken', inGzip(Buffer.from(`no gzip ${SECRET}`)), true],
    ['JSON in gzip that breaks off', inGzip(gzipSync(GOOD).subarray(0, 30)), true],
    ['a length that is too short', json(GOOD, `content-length: ${GOOD.length - 5}`)],
    ['two lengths', json(GOOD, 'content-length: 5\r\ncontent-length: 6')],
    ['a negative length', json(GOOD, 'content-length: -1')],
    ['a length and chunks', json('0\r\n\r\n', 'content-length: 5\r\ntransfer-encoding: chunked')],
    ['an unknown transfer coding', json(GOOD, 'transfer-encoding: gzip, chunked')],
    ['a chunk size that is no number', json(`zz\r\n${GOOD}\r\n0\r\n\r\n`, 'transfer-encoding: chunked')],
    ['a chunk without its line end', json(`2\r\n{}xx0\r\n\r\n`, 'transfer-encoding: chunked')],
    ['a header with a line break in it', json(GOOD, `x: y\nset-cookie: a=b\r\ncontent-length: ${GOOD.length}`)],
    ['a header with a NUL in it', json(GOOD, `x: \0\r\ncontent-length: ${GOOD.length}`)],
    ['a folded header', json(GOOD, `x: y\r\n z: q\r\ncontent-length: ${GOOD.length}`)],
    ['headers without an end', `HTTP/1.1 200 OK\r\n${`x: ${'y'.repeat(1_000)}\r\n`.repeat(330)}`],
    ['another protocol', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['HTTP/2', Buffer.from('000012040000000000', 'hex')],
    ['a body without a head', `${GOOD}\r\n\r\n`],
    ['a status that is none', `HTTP/1.1 999 ?\r\ncontent-length: 2\r\n\r\n{}`],
    ['a redirect', 'HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n'],
    ['204', 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['206', json(GOOD, `content-length: ${GOOD.length}`).replace('200 OK', '206 Partial Content')],
    [
      '500 with a stack trace',
      whole(JSON.stringify({ error: { message: TRACE } }))
        .toString()
        .replace('200 OK', '500 Oops'),
    ],
    ['502 in HTML', whole(`<h1>${SECRET}</h1>`, 'content-type: text/html').toString().replace('200 OK', '502 Bad Gateway')],
    [
      'a refusal of our key',
      whole(JSON.stringify({ error: `Bearer ${SECRET}` }))
        .toString()
        .replace('200 OK', '401 Unauthorized'),
    ],
    ['a request given up (finish_reason "abort")', whole(GOOD.replace('[]', '[{"finish_reason":"abort"}]'))],
  ])('%s', async (_name, bytes, close = false) => {
    const before = failures();
    says(bytes, close);
    expectRefusal(await chat(CHAT), 'upstream_error');
    expect(failures()).toBe(before + 1);
  });

  test.each<[string, string]>([
    ['nothing', ''],
    ['half a head', 'HTTP/1.1 200 OK\r\ncontent-ty'],
    ['less than the length it told', json('{"id":', 'content-length: 5000')],
    ['chunks without the last', json('2\r\n{}\r\n', 'transfer-encoding: chunked')],
  ])('%s, and then the end', async (_name, bytes) => {
    const before = failures();
    says(bytes, true);
    expectRefusal(await chat(CHAT), 'upstream_disconnected');
    expect(failures()).toBe(before + 1);
  });

  test('a head and then silence is a time-out', async () => {
    says('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n');
    expectRefusal(await chat(CHAT), 'deadline');
  });

  test('4xx that are not in the shape of an error are told in our words', async () => {
    says(whole(`<html>${SECRET}</html>`, 'content-type: text/html').toString().replace('200 OK', '404 Not Found'));
    expectRefusal(await chat(CHAT), 'unknown_url');
    says(
      whole(JSON.stringify({ detail: SECRET }))
        .toString()
        .replace('200 OK', '400 Bad Request'),
    );
    expectRefusal(await chat(CHAT), 'invalid_value');
  });

  test('a stack trace in a 4xx does not get through', async () => {
    says(
      whole(JSON.stringify({ error: { message: `Bad image. ${TRACE}` } }))
        .toString()
        .replace('200 OK', '400 Bad Request'),
    );
    const answer = await chat(CHAT);
    expect(JSON.parse(answer.body).error.message).toBe('Bad image.');
  });
});

describe('answers that are odd and sound', () => {
  test.each<[string, string | Buffer, boolean?]>([
    ['an interim answer first', `HTTP/1.1 100 Continue\r\n\r\n${whole(GOOD).toString()}`],
    ['two thousand interim answers first', `${'HTTP/1.1 102 Processing\r\n\r\n'.repeat(2_000)}${whole(GOOD).toString()}`],
    ['HTTP/1.0, until the connection closes', `HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n${GOOD}`, true],
    [
      'chunks of a byte',
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n${[...GOOD].map((byte) => `1\r\n${byte}\r\n`).join('')}0\r\n\r\n`,
    ],
    ['JSON in gzip', inGzip(gzipSync(GOOD)), true],
    ['eighty thousand bytes of headers', whole(GOOD, `content-type: application/json${`\r\nx: ${'y'.repeat(1_000)}`.repeat(80)}`)],
    ['headers in odd spelling', `HTTP/1.1 200\r\nCONTENT-TYPE:Application/JSON\r\nContent-Length :  ${GOOD.length}  \r\n\r\n${GOOD}`],
    ['another answer behind it, unasked', Buffer.concat([whole(GOOD), whole(`{"stolen":"${SECRET}"}`)])],
  ])('%s', async (_name, bytes, close = false) => {
    says(bytes, close);
    const answer = await chat(CHAT);
    expect({ status: answer.status, body: answer.body }).toEqual({ status: 200, body: GOOD });
  });

  test("the worker's own headers stop at the gateway", async () => {
    says(
      whole(
        GOOD,
        `content-type: application/json\r\nset-cookie: a=b\r\nserver: uvicorn\r\nx-request-id: theirs\r\nx-headgate-worker: evil\r\nx-powered-by: x\r\nconnection: x-foo\r\nx-foo: 1\r\naccess-control-allow-origin: *`,
      ),
    );
    const { headers } = await chat(CHAT);
    expect(Object.keys(headers).toSorted()).toEqual(
      [
        'connection',
        'content-length',
        'content-type',
        'date',
        'keep-alive',
        'x-headgate-attempts',
        'x-headgate-model',
        'x-headgate-queue-ms',
        'x-headgate-window-ms',
        'x-headgate-worker',
        'x-request-id',
      ].toSorted(),
    );
    expect(headers['x-request-id']).not.toBe('theirs');
    expect(headers['x-headgate-worker']).not.toBe('evil');
  });
});

describe('streams that fail before their first event are told as an error', () => {
  test.each<[string, string | Buffer, 'upstream_error' | 'upstream_disconnected', boolean?]>([
    ['JSON instead of events', whole(GOOD), 'upstream_error'],
    ['HTML', whole('<html>', 'content-type: text/html'), 'upstream_error'],
    [
      'an error event',
      Buffer.from(`${STREAM_HEAD}${chunk(`data: {"error": {"message": "${SECRET}", "code": 500}}\n\n`).toString()}`),
      'upstream_error',
    ],
    ['a chunk size that is no number', `${STREAM_HEAD}xyz\r\n`, 'upstream_error'],
    ['no event at all', `${STREAM_HEAD}${LAST_CHUNK}`, 'upstream_disconnected'],
    ['the end in the middle of the first event', `${STREAM_HEAD}${chunk('data: {"id"').toString()}`, 'upstream_disconnected', true],
    [
      'events in gzip',
      Buffer.concat([Buffer.from(STREAM_HEAD), chunk(gzipSync(event(SECRET))), Buffer.from(LAST_CHUNK)]),
      'upstream_disconnected',
    ],
  ])('%s', async (_name, bytes, kind, close = false) => {
    const before = failures();
    says(bytes, close);
    expectRefusal(await chat(STREAM), kind);
    expect(failures()).toBe(before + 1);
  });

  test('a head and then silence is a time-out', async () => {
    says(STREAM_HEAD);
    expectRefusal(await chat(STREAM), 'upstream_timeout');
  });
});

describe('streams that fail later end with an error event, and never with [DONE]', () => {
  const first = event('first');
  const error = chunk(`data: {"error": {"message": "${SECRET}", "type": "InternalServerError", "param": null, "code": 500}}\n\n`);
  const done = chunk('data: [DONE]\n\n');

  test.each<[string, Buffer, string, boolean?]>([
    ['no [DONE]', Buffer.from(LAST_CHUNK), 'upstream_disconnected'],
    ['the end of the connection', Buffer.alloc(0), 'upstream_disconnected', true],
    ['the end in the middle of a chunk', Buffer.from('ff\r\ndata: {"id"'), 'upstream_disconnected', true],
    ['a broken chunk', Buffer.from('zz\r\n'), 'upstream_disconnected'],
    ["the worker's error event", Buffer.concat([error, done, Buffer.from(LAST_CHUNK)]), 'upstream_error'],
    [
      'an error event in the same chunk as a text',
      Buffer.concat([chunk(`${event('second')}data: {"error": {"message": "${SECRET}"}}\n\ndata: [DONE]\n\n`), Buffer.from(LAST_CHUNK)]),
      'upstream_error',
    ],
    [
      'an error event cut in two',
      Buffer.concat([chunk('data: {"err'), chunk(`or": {"message": "${SECRET}"}}\n`), chunk('\n'), done, Buffer.from(LAST_CHUNK)]),
      'upstream_error',
    ],
    ['finish_reason "abort"', Buffer.concat([chunk(event(SECRET, 'abort')), done, Buffer.from(LAST_CHUNK)]), 'upstream_error'],
    ['silence', Buffer.alloc(0), 'timeout'],
  ])('%s', async (_name, bytes, code, close = false) => {
    const before = failures();
    says(Buffer.concat([Buffer.from(STREAM_HEAD), chunk(first), bytes]), close);
    const answer = await chat(STREAM);
    expect(answer.status).toBe(200);
    expect(answer.body.startsWith(first)).toBe(true);
    const last = answer.body.split('\n\n').at(-2)!;
    expect(JSON.parse(last.replace(/^data: /, ''))).toEqual({
      error: { message: expect.any(String), type: 'server_error', param: null, code },
    });
    expect(answer.body).not.toContain('[DONE]');
    expect(answer.body).not.toContain(SECRET);
    expect(failures()).toBe(before + 1);
  });

  test.each([
    ['until the connection closes', 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n', true],
    [
      'with a length',
      `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: ${first.length + event('x', 'stop').length + 14}\r\n\r\n`,
      false,
    ],
  ])('a stream that comes in no chunks, %s, is passed on all the same', async (_name, head, close) => {
    const body = `${first}${event('x', 'stop')}data: [DONE]\n\n`;
    says(head + body, close);
    const answer = await chat(STREAM);
    expect({ status: answer.status, body: answer.body }).toEqual({ status: 200, body });
  });
});

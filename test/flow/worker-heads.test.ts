import { createServer, request } from 'node:http';
import * as zlib from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { event, startFakeVllm, type FakeVllm } from '../support/fake-vllm.ts';
import { allReady, startTestGateway, until } from '../support/gateway.ts';

// What the head of a worker's answer says beyond status and type: of bare vectors, of a coding that nobody asked for, of when to come back.

/** A POST by a client that takes heads of any size. */
function post(url: string, path: string, body: object): Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', maxHeaderSize: 1_048_576, headers: { 'content-type': 'application/json' } };
    const sent = request(`${url}${path}`, options, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(pieces) }));
    });
    sent.on('error', reject);
    sent.end(JSON.stringify({ model: 'm', ...body }));
  });
}

describe('the header that says what lies in an answer of bare bytes', () => {
  test.each([
    ['/v1/embeddings', 200],
    ['/pooling', 200],
    ['/v1/embeddings', 40_000],
    ['/v1/embeddings', 255_000],
  ])('of %s is passed on (%i bytes)', async (path, size) => {
    await using worker: FakeVllm = await startFakeVllm();
    const metadata = JSON.stringify({ id: 'embd-1', data: [{ index: 0, embed_dtype: 'float32', note: 'x'.repeat(size) }] });
    const vectors = Buffer.from([0, 1, 2, 250, 251, 13, 10]);
    worker.script = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/octet-stream', metadata });
      response.end(vectors);
    };
    await using gateway = await startTestGateway([worker.url]);
    await gateway.gateway.firstReady;
    const answer = await post(gateway.url, path, { input: 'x', encoding_format: 'bytes' });
    expect(answer.status).toBe(200);
    expect(answer.headers['metadata']).toBe(metadata);
    expect(answer.headers['content-type']).toBe('application/octet-stream');
    expect(answer.body.equals(vectors)).toBe(true);
  });

  test('is passed on with an answer of megabytes, too', async () => {
    await using worker: FakeVllm = await startFakeVllm();
    const vectors = Buffer.alloc(3_000_000, 7);
    worker.script = (_request, response) =>
      response.writeHead(200, { 'content-type': 'application/octet-stream', metadata: '{"a":1}' }).end(vectors);
    await using gateway = await startTestGateway([worker.url]);
    await gateway.gateway.firstReady;
    const answer = await post(gateway.url, '/v1/embeddings', { input: 'x', encoding_format: 'bytes' });
    expect([answer.headers['metadata'], answer.body.length]).toEqual(['{"a":1}', vectors.length]);
  });
});

const CODERS: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  gzip: (bytes) => zlib.gzipSync(bytes),
  deflate: (bytes) => zlib.deflateSync(bytes),
  br: (bytes) => zlib.brotliCompressSync(bytes),
  zstd: (bytes) => zlib.zstdCompressSync(bytes),
};

describe('an answer that is compressed, though nobody asked for it', () => {
  test.each(Object.entries(CODERS))('by %s comes in plain: whole, as a stream and as an error', async (coding, code) => {
    await using worker: FakeVllm = await startFakeVllm();
    const answers: [number, string, string][] = [
      [200, 'application/json', JSON.stringify({ choices: [{ message: { content: 'Hello' }, finish_reason: 'stop' }] })],
      [200, 'text/event-stream', `${event('Hel')}${event('lo', 'stop')}data: [DONE]\n\n`],
      [400, 'application/json', JSON.stringify({ error: { message: 'No such thing.', type: 'BadRequestError', param: null, code: 400 } })],
    ];
    await using gateway = await startTestGateway([worker.url]);
    await gateway.gateway.firstReady;
    for (const [status, type, text] of answers) {
      worker.script = (_request, response) => {
        response.writeHead(status, { 'content-type': type, 'content-encoding': coding });
        const bytes = code(Buffer.from(text));
        response.write(bytes.subarray(0, 9));
        setImmediate(() => response.end(bytes.subarray(9)));
      };
      const answer = await post(gateway.url, '/v1/chat/completions', { messages: [], stream: type !== 'application/json' });
      expect(answer.status).toBe(status);
      expect(answer.headers).not.toHaveProperty('content-encoding');
      if (status === 200) expect(answer.body.toString()).toBe(text);
      else expect(answer.body.toString()).toContain('No such thing.');
    }
    expect(worker.requests.map(({ headers }) => headers['accept-encoding'])).toEqual(['identity', 'identity', 'identity']);
  });

  test('event by event comes event by event', async () => {
    await using worker: FakeVllm = await startFakeVllm();
    worker.script = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' });
      const gzip = zlib.createGzip();
      gzip.pipe(response);
      gzip.write(event('first'));
      gzip.flush(zlib.constants.Z_SYNC_FLUSH);
    };
    await using gateway = await startTestGateway([worker.url]);
    await gateway.gateway.firstReady;
    const body = JSON.stringify({ model: 'm', stream: true, messages: [] });
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', headers, body });
    const reader = answer.body!.getReader();
    expect(Buffer.from((await reader.read()).value!).toString()).toBe(event('first'));
    await reader.cancel();
  });

  test.each([
    ['in a way that is not known', 'snappy', Buffer.from('xyz'), 'snappy'],
    ['and broken', 'gzip', Buffer.from('no gzip at all'), 'compressed'],
  ])('%s is named', async (_name, coding, bytes, said) => {
    await using worker: FakeVllm = await startFakeVllm();
    worker.script = (_request, response) =>
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': coding }).end(bytes);
    await using gateway = await startTestGateway([worker.url]);
    await gateway.gateway.firstReady;
    const answer = await post(gateway.url, '/v1/chat/completions', { messages: [] });
    expect(answer.status).toBe(502);
    expect(answer.body.toString()).toContain(said);
    expect(answer.body.toString()).toContain('upstream_error');
  });
});

describe('a worker that says when to come back', () => {
  const busy =
    (status: number, after: string): FakeVllm['script'] =>
    (_request, response) =>
      void response.writeHead(status, { 'content-type': 'application/json', 'retry-after': after }).end('{"error":{"message":"busy"}}');
  const seconds = ({ headers }: { headers: Record<string, unknown> }): number => Number(headers['retry-after']);

  test.each([
    [429, '20', 20],
    [503, '20', 20],
    [503, new Date(Date.now() + 40_000).toUTCString(), 35],
    [503, '7200', 59],
  ])('(%i, %s) is not asked before, and its clients are told so', async (status, after, atLeast) => {
    await using worker: FakeVllm = await startFakeVllm();
    worker.script = busy(status, after);
    await using gateway = await startTestGateway([worker.url]);
    await gateway.gateway.firstReady;
    const first = await post(gateway.url, '/v1/chat/completions', { messages: [] });
    expect(first.status).toBe(503);
    expect(seconds(first)).toBeGreaterThanOrEqual(atLeast);
    expect(seconds(first)).toBeLessThanOrEqual(59);
    // Said to another request as well it was not about the first.
    for (const user of ['a', 'b', 'c']) {
      const later = await post(gateway.url, '/v1/chat/completions', { messages: [], user });
      expect(later.status).toBe(503);
      expect(seconds(later)).toBeGreaterThanOrEqual(atLeast - 5);
    }
    expect(worker.requests.length).toBe(2);
  });

  test('leaves the calls to the others meanwhile', async () => {
    await using tired: FakeVllm = await startFakeVllm();
    await using other: FakeVllm = await startFakeVllm();
    tired.script = busy(503, '30');
    await using gateway = await startTestGateway([tired.url, other.url], { load_balancer: { policy: 'round_robin' } });
    await allReady(gateway);
    for (let call = 0; call < 8; call++) {
      const answer = await post(gateway.url, '/v1/chat/completions', { messages: [], user: String(call) });
      expect(answer.status).toBe(200);
    }
    expect(tired.requests.length).toBeLessThanOrEqual(2);
  });

  test('is asked again at once where it does not say, or says now', async () => {
    await using worker: FakeVllm = await startFakeVllm();
    worker.script = busy(503, '0');
    await using gateway = await startTestGateway([worker.url]);
    await gateway.gateway.firstReady;
    for (let call = 0; call < 3; call++) await post(gateway.url, '/v1/chat/completions', { messages: [] });
    expect(worker.requests.length).toBe(3);
  });
});

test('a plain HTTP server where TLS was to be, and a name that nobody knows, are named with advice', async () => {
  const plain = createServer((_request, response) => void response.end());
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
  const { port } = plain.address() as { port: number };
  await using gateway = await startTestGateway([`https://127.0.0.1:${port}`, 'http://no-such-host.invalid:8000']);
  const seen = (): Record<string, unknown>[] => gateway.log.filter(({ event }) => event === 'worker.failure');
  await until(() => seen().length >= 2, 'both are told of');
  const of = (part: string): Record<string, unknown> => seen().find(({ message }) => String(message).includes(part))!;
  expect(of('127.0.0.1')).toMatchObject({ class: 'tls_not_spoken', advice: expect.stringContaining('http://') });
  expect(of('no-such-host')).toMatchObject({ class: 'unknown_host', advice: expect.stringContaining('DNS') });
  plain.closeAllConnections();
  await new Promise((resolve) => plain.close(resolve));
});

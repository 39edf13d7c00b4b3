import { afterEach, describe, expect, test } from 'vitest';
import { answers, event, startFakeVllm } from '../../support/fake-vllm.ts';
import { startTestGateway, until } from '../../support/gateway.ts';
import { connectRaw, type RawAnswer } from '../../support/raw-client.ts';
import { CHAT, expectRefusal, frontDoor, request, SECRET } from './front-door.ts';

const MAX_BYTES = 1_000_000;
const door = frontDoor({ server: { max_body_bytes: MAX_BYTES } });
afterEach(async () => {
  await until(() => door.gateway.gateway.figures.inFlight() === 0, 'nothing in flight');
  for (const { state, consecutiveFailures } of door.gateway.gateway.figures.breakers().values()) {
    expect({ state, consecutiveFailures }).toEqual({ state: 'closed', consecutiveFailures: 0 });
  }
  door.worker.requests.length = 0;
  door.worker.script = answers.completion();
});

const LINE = 'POST /v1/audio/transcriptions HTTP/1.1';

function field(name: string, value: string): string {
  return `--x\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
}

function file(content: string, name = 'a.wav'): string {
  return `--x\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\nContent-Type: audio/wav\r\n\r\n${content}\r\n`;
}

function upload(body: string, contentType = 'multipart/form-data; boundary=x'): Promise<RawAnswer> {
  return door.ask(request({ line: LINE, body, contentType }));
}

describe('uploads reach the worker byte for byte', () => {
  test.each([
    ['with the model first', field('model', 'm') + file('RIFF')],
    ['with the file first', file('RIFF') + field('model', 'm')],
    ['without a model', file('RIFF') + field('language', 'en')],
    ['with a file larger than what is looked at', file('R'.repeat(500_000)) + field('model', 'm')],
    [
      'with a file that is called model',
      `--x\r\nContent-Disposition: form-data; name="file"; filename="model"\r\n\r\nno\r\n${field('model', 'm')}`,
    ],
    ['with a file under the name model', `--x\r\nContent-Disposition: form-data; name="model"; filename="f"\r\n\r\nno\r\n`],
    ['with a file that looks like a form', file(`\r\n--y\r\nContent-Disposition: form-data; name="model"\r\n\r\nno\r\n--y--`)],
    ['with headers in any case and order', '--x\r\ncontent-type: text/plain\r\nCONTENT-DISPOSITION:form-data;name=model\r\n\r\nm\r\n'],
    ['with ten thousand parts', field('a', 'b').repeat(10_000) + field('model', 'm')],
    ['with a path as its file name', file('RIFF', '../../etc/passwd') + field('model', 'm')],
  ])('%s', async (_name, parts) => {
    const body = `${parts}--x--\r\n`;
    expect((await upload(body)).status).toBe(200);
    expect(door.worker.requests).toHaveLength(1);
    const { headers, path } = door.worker.requests[0]!;
    expect(path).toBe('/v1/audio/transcriptions');
    expect(headers['content-type']).toBe('multipart/form-data; boundary=x');
    expect([String(body.length), undefined]).toContain(headers['content-length']);
    expect(door.worker.requests[0]!.body === body).toBe(true);
  });

  test('in pieces of a byte, and in chunks', async () => {
    const body = `${field('model', 'm')}${file('RIFF')}--x--\r\n`;
    using client = await connectRaw(door.port);
    client.send(`${LINE}\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary="x"\r\nTransfer-Encoding: chunked\r\n\r\n`);
    for (const byte of body) client.send(`1\r\n${byte}\r\n`);
    client.send('0\r\n\r\n');
    expect((await client.answer()).status).toBe(200);
    expect(door.worker.requests[0]).toMatchObject({ body });
  });

  test('a stream of events that answers an upload is passed on as it comes', async () => {
    door.worker.script = (_asked, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
      response.write(event('one'));
    };
    using client = await connectRaw(door.port);
    client.send(
      request({
        line: LINE,
        body: `${field('model', 'm')}${field('stream', 'true')}${file('x')}--x--\r\n`,
        contentType: 'multipart/form-data; boundary=x',
      }),
    );
    // The worker has not finished.
    await until(() => client.received.includes('"content":"one"'), 'the first event has come');
    client.socket.destroy();
    await until(() => door.worker.requests[0]!.closed, 'the worker is freed');

    door.worker.script = answers.stream(['a', 'b', 'c'], 2);
    const { body, headers } = await upload(`${field('model', 'm')}${field('stream', 'true')}${file('x')}--x--\r\n`);
    expect(headers['content-type']).toBe('text/event-stream; charset=utf-8');
    expect(body).toBe(`${event('a')}${event('b')}${event('c', 'stop')}data: [DONE]\n\n`);
  });
});

describe('uploads that are refused', () => {
  test.each([
    ['nothing', ''],
    ['no boundary in it', SECRET.repeat(100)],
    ['another boundary', `--y\r\n\r\n${SECRET}\r\n--y--`],
  ])('case 49: a body with %s', async (_name, body) => {
    expectRefusal(await upload(body), 'invalid_value', 'content-type');
  });

  test.each([
    'multipart/form-data; charset=utf-8',
    'multipart/form-data; boundary=',
    'multipart/form-data; boundary=""',
    `multipart/form-data; boundary=${'x'.repeat(300)}`,
  ])('case 49: no boundary in %j', async (contentType) => {
    const answer = await upload('--x--\r\n', contentType);
    expectRefusal(answer, 'invalid_value', 'content-type');
  });

  test('an unknown model, however large the file behind it, and the connection stays in step', async () => {
    using client = await connectRaw(door.port);
    for (let i = 0; i < 3; i++) {
      const body = `${field('model', 'none')}${file('R'.repeat(900_000))}--x--\r\n`;
      client.send(request({ line: LINE, body, contentType: 'multipart/form-data; boundary=x' }));
      expectRefusal(await client.answer(), 'model_not_found', 'model');
    }
    client.send(request({ body: CHAT }));
    expect((await client.answer()).status).toBe(200);
  });

  test('a model of a thousand characters', async () => {
    expectRefusal(await upload(`${field('model', 'm'.repeat(1_000))}--x--\r\n`), 'invalid_value', 'model');
  });

  test('case 40: a body over the limit, by its declared length', async () => {
    expectRefusal(await upload(file('R'.repeat(MAX_BYTES))), 'request_too_large');
    expect(door.worker.requests).toEqual([]);
  });

  test('case 40: a body over the limit, as it comes; the worker is told by a broken connection and not blamed', async () => {
    using client = await connectRaw(door.port);
    client.send(`${LINE}\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\nTransfer-Encoding: chunked\r\n\r\n`);
    const start = `${field('model', 'm')}--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n`;
    client.send(`${start.length.toString(16)}\r\n${start}\r\n`);
    const chunk = `${(50_000).toString(16)}\r\n${'R'.repeat(50_000)}\r\n`;
    for (let i = 0; i < 30; i++) client.send(chunk);
    client.send('0\r\n\r\n');
    expectRefusal(await client.answer(), 'request_too_large');
    client.send(request({ body: CHAT }));
    expect((await client.answer()).status).toBe(200);
  });

  test.each([
    ['lines that make a pattern backtrack', 'name=model\r\n'.repeat(5_400)],
    ['a header without an end', `Content-Disposition: form-data; ${'a'.repeat(60_000)}`],
    ['quotes that are never closed', `Content-Disposition: form-data${'; name="'.repeat(8_000)}`],
    ['escapes', `Content-Disposition: form-data; name="${'\\"'.repeat(30_000)}`],
    ['spaces', `Content-Disposition: form-data;${' '.repeat(60_000)}x\r\n\r\n`],
  ])('%s cost next to nothing', async (_name, evil) => {
    using client = await connectRaw(door.port);
    client.send(`${LINE}\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 90000\r\n\r\n--x\r\n`);
    const startedAt = process.cpuUsage();
    const step = 1_000;
    for (let at = 0; at < evil.length; at += step) {
      client.send(evil.slice(at, at + step));
      await new Promise((resolve) => setImmediate(resolve));
    }
    // Answered by the same event loop, after all of it.
    expect((await door.chat(CHAT)).status).toBe(200);
    client.send('R'.repeat(10_000));
    await until(() => door.worker.requests.length === 1 || client.received !== '', 'it has been looked at');
    // Seconds, where every piece is matched again from the start.
    const { user, system } = process.cpuUsage(startedAt);
    expect((user + system) / 1e6).toBeLessThan(1.5);
  });
});

test('an upload that is refused before anybody reads it does not hold up its connection', async () => {
  await using worker = await startFakeVllm();
  worker.script = answers.silence();
  const settings = { workers: [{ url: worker.url, max_num_seqs: 1 }], admission: { headroom: 0, max_queue: 0 } };
  await using gateway = await startTestGateway([], settings);
  await gateway.gateway.firstReady;
  using busy = await connectRaw(gateway.port);
  busy.send(request({ body: CHAT }));
  await until(() => worker.requests.length === 1, 'the only place is taken');
  using client = await connectRaw(gateway.port);
  const body = `${field('model', 'm')}${file('R'.repeat(900_000))}--x--\r\n`;
  client.send(request({ line: LINE, body, contentType: 'multipart/form-data; boundary=x' }));
  expectRefusal(await client.answer(), 'queue_full');
  client.send(request({ line: 'GET /health HTTP/1.1' }));
  expect((await client.answer()).status).toBe(200);
});

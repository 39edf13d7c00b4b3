import { afterAll, describe, expect, test } from 'vitest';
import { answers } from '../../support/fake-vllm.ts';
import { connectRaw, type RawAnswer, type RawClient } from '../../support/raw-client.ts';
import { expectRefusal, frontDoor, request } from './front-door.ts';

const door = frontDoor({ server: { header_timeout_ms: 200, upload_timeout_ms: 300 } });

const HEAD = 'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';

afterAll(() => {
  // The one stream; nothing that was slow, or cut, got this far.
  expect(door.worker.requests).toHaveLength(1);
});

function expectTimeout(answer: RawAnswer): void {
  expectRefusal(answer, 'request_timeout');
  expect(answer.headers['connection']).toBe('close');
}

/** Sends a byte now and then until the gateway has had enough. */
async function trickle(client: RawClient): Promise<void> {
  let over = false;
  void client.ended.then(() => {
    over = true;
  });
  while (!over) {
    client.send('x');
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

describe.concurrent('case 18: clients that take their time', () => {
  test.each([
    ['half a request line', 'POST /v1/cha'],
    ['headers without an end', HEAD],
    ['a body that stops', `${HEAD}Content-Length: 1000\r\n\r\n{"model"`],
    ['a chunked body that stops', `${HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\n{"mod\r\n`],
    ['a chunk that stops', `${HEAD}Transfer-Encoding: chunked\r\n\r\nfff\r\n{"mod`],
  ])('%s: told so, and let go of', async (_name, bytes) => {
    using client = await connectRaw(door.port);
    client.send(bytes);
    expectTimeout(await client.answer());
    await client.ended;
  });

  test('nothing at all: let go of without a word, which a request that is just on its way would take for its answer', async () => {
    using client = await connectRaw(door.port);
    await expect(client.answer()).rejects.toThrow('the connection was closed before an answer was whole: ""');
  });

  test.each([
    ['a header', `${HEAD}X-Slow: `],
    ['a body', `${HEAD}Content-Length: 100000\r\n\r\n`],
    [
      'the boundary of an upload',
      'POST /v1/audio/translations HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 100000\r\n\r\n',
    ],
  ])('a byte now and then of %s is no reason to wait longer', async (_name, bytes) => {
    using client = await connectRaw(door.port);
    client.send(bytes);
    const trickling = trickle(client);
    expectTimeout(await client.answer());
    await trickling;
  });

  test('an answer that is under way is not cut by the limits of its request', async () => {
    using client = await connectRaw(door.port);
    door.worker.script = answers.stream(['a', 'b', 'c'], 400);
    client.send(request({ body: '{"model":"m","stream":true,"messages":[]}' }));
    const answer = await client.answer();
    expect(answer.body).toMatch(/"content":"c".*data: \[DONE\]\n\n$/s);
  });
});

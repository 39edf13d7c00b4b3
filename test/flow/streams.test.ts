import type { ServerResponse } from 'node:http';
import OpenAI from 'openai';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { answers, event, startFakeVllm, type FakeVllm, type Script } from '../support/fake-vllm.ts';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import { ask as send, connectRaw } from '../support/raw-client.ts';
import { ask, chat, CHAT_PATH, contentOf, dataOf, errorAtEnd, errorOf, flow, type Flow } from './asking.ts';
import { rawRequest } from './raw-request.ts';
import { endOf, settled } from './settled.ts';

const SSE = { 'content-type': 'text/event-stream; charset=utf-8' };
const DONE = 'data: [DONE]\n\n';
const STREAM = chat({ stream: true });

let worker: FakeVllm;
let gateway: TestGateway | null = null;

beforeEach(async () => {
  worker = await startFakeVllm();
});

afterEach(async () => {
  if (gateway) await settled(gateway);
  await gateway?.stop();
  gateway = null;
  await worker.die();
});

async function start(settings: SettingsInput = {}): Promise<TestGateway> {
  gateway = await startTestGateway([worker.url], settings);
  await gateway.gateway.firstReady;
  return gateway;
}

/** A worker that writes its head, hands the response over, and waits. */
function handedOver(): Promise<ServerResponse> {
  return new Promise((resolve) => {
    worker.script = (_request, response) => {
      response.writeHead(200, SSE);
      response.flushHeaders();
      resolve(response);
    };
  });
}

async function begun(stream: Flow, text: string): Promise<void> {
  await until(() => contentOf(stream.text()) === text, `the stream saying ${text}`);
}

const freed = (): Promise<void> => until(() => worker.requests.at(-1)!.closed, 'the worker freed');

describe('what passes', () => {
  test('every event comes when it is sent, unchanged, under the headers of a stream', async () => {
    const { url } = await start();
    const upstream = handedOver();
    const events = [
      'data: {"id":"1","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"odd":1.0}\n\n',
      'data: {"id":"1", "choices": [{"index":0,"delta":{"content":"Grüße 🦀 \\"data: [DONE]\\""},"finish_reason":null}]}\n\n',
      'data: {"id":"1","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop","stop_reason":null}]}\n\n',
      'data: {"id":"1","choices":[],"usage":{"prompt_tokens":1,"total_tokens":9007199254740993,"completion_tokens":3}}\n\n',
      DONE,
    ];
    const asked = ask(
      url,
      { ...STREAM, stream_options: { include_usage: true } },
      { headers: { 'accept-encoding': 'gzip, br', 'x-request-id': 'passing' } },
    );
    const response = await upstream;
    response.write(events[0]);
    const stream = flow(await asked);
    let sent = events[0]!;
    for (const one of events.slice(1)) {
      await until(() => stream.text() === sent, 'what was sent, and nothing else');
      sent += one;
      response.write(one);
    }
    response.end();
    expect(await stream.over).toBe('ended');
    expect(stream.text()).toBe(events.join(''));
    const { headers } = stream.response;
    expect(headers.get('content-type')).toBe(SSE['content-type']);
    expect(headers.get('cache-control')).toBe('no-cache');
    expect(headers.get('x-accel-buffering')).toBe('no');
    expect(headers.get('content-encoding')).toBeNull();
    expect(headers.get('x-headgate-attempts')).toBe('1');
    expect(await endOf(gateway!, 'passing')).toMatchObject({ outcome: 'complete', finish_reason: 'stop', output_tokens: 3 });
  });

  test.each([
    ['all events in one chunk', (text: string) => [text]],
    ['a chunk a byte', (text: string) => [...Buffer.from(text).keys()].map((i) => Buffer.from(text).subarray(i, i + 1))],
    ['chunks across the ends of events', (text: string) => text.match(/[\s\S]{1,37}/g)!],
  ] as const)('%s pass unchanged', async (_name, cut) => {
    const { url } = await start();
    const text = `${event('Hel')}${event('lo')}${event(' 🦀', 'stop')}${DONE}`;
    worker.script = (_request, response) => {
      response.writeHead(200, SSE);
      for (const piece of cut(text)) response.write(piece);
      response.end();
    };
    const stream = flow(await ask(url, STREAM));
    expect(await stream.over).toBe('ended');
    expect(stream.text()).toBe(text);
  });

  test('a stream without chunks, as a proxy before the worker may make it, passes too', async () => {
    const { url } = await start();
    const text = `${event('Hel')}${event('lo', 'stop')}${DONE}`;
    worker.script = (_request, response) => {
      response.socket?.end(`HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n${text}`);
    };
    const stream = flow(await ask(url, STREAM));
    expect(await stream.over).toBe('ended');
    expect(stream.text()).toBe(text);
  });

  test('a client of HTTP/1.0 gets the events without chunks', async () => {
    const { port } = await start();
    worker.script = answers.stream(['a', 'b']);
    const body = JSON.stringify(STREAM);
    const text = `POST ${CHAT_PATH} HTTP/1.0\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const answer = await send(port, text);
    expect(answer.status).toBe(200);
    expect(answer.headers['transfer-encoding']).toBeUndefined();
    expect(answer.body).toBe(`${event('a')}${event('b', 'stop')}${DONE}`);
  });

  test('the answer ends right after [DONE], though the worker keeps its connection open', async () => {
    const { url } = await start();
    const upstream = handedOver();
    const asked = ask(url, STREAM);
    (await upstream).write(event('a', 'stop') + DONE);
    const stream = flow(await asked);
    expect(await stream.over).toBe('ended');
    expect(dataOf(stream.text()).at(-1)).toBe('[DONE]');
    await settled(gateway!);
    await freed();
  });

  test('a stream of responses, which has no [DONE], ends with its last event', async () => {
    const { url } = await start();
    const text =
      'event: response.created\ndata: {"type":"response.created"}\n\nevent: response.completed\ndata: {"type":"response.completed"}\n\n';
    worker.script = (_request, response) => void response.writeHead(200, SSE).end(text);
    const stream = flow(await ask(url, { model: 'm', input: 'hi', stream: true }, { path: '/v1/responses' }));
    expect(await stream.over).toBe('ended');
    expect(stream.text()).toBe(text);
  });

  test('a transcription is streamed', async () => {
    const { url } = await start();
    worker.script = answers.stream(['Hel', 'lo']);
    const form = new FormData();
    form.set('model', 'm');
    form.set('stream', 'true');
    form.set('file', new Blob(['RIFF']), 'speech.wav');
    const stream = flow(await fetch(`${url}/v1/audio/transcriptions`, { method: 'POST', body: form }));
    expect(await stream.over).toBe('ended');
    expect(stream.response.status).toBe(200);
    expect(stream.text()).toBe(`${event('Hel')}${event('lo', 'stop')}${DONE}`);
  });
});

describe('silence', () => {
  test('comments keep a silent stream alive from the worker’s head on, and every SDK skips them', async () => {
    const { url } = await start({ stream: { keep_alive_ms: 20 } });
    const upstream = handedOver();
    const asked = ask(url, STREAM);
    const response = await upstream;
    const stream = flow(await asked);
    await until(() => stream.text().split(': keep-alive\n\n').length > 3, 'three comments before the first token');
    expect(dataOf(stream.text())).toEqual([]);
    response.write(event('Hello'));
    await begun(stream, 'Hello');
    const before = stream.text().length;
    await until(() => stream.text().length > before, 'a comment between two tokens');
    response.end(event(' you', 'stop') + DONE);
    expect(await stream.over).toBe('ended');
    expect(stream.text().replaceAll(': keep-alive\n\n', '')).toBe(event('Hello') + event(' you', 'stop') + DONE);

    worker.script = (_request, again) => {
      again.writeHead(200, SSE);
      again.flushHeaders();
      setTimeout(() => again.end(event('Hi', 'stop') + DONE), 100);
    };
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'not-needed', maxRetries: 0 });
    let text = '';
    for await (const chunk of await client.chat.completions.create({ model: 'm', messages: [], stream: true })) {
      text += chunk.choices[0]?.delta.content ?? '';
    }
    expect(text).toBe('Hi');
  });

  test.each([
    ['says nothing at all', answers.silence()],
    ['writes its head and nothing else', (_request, response) => response.writeHead(200, SSE).flushHeaders()],
  ] satisfies [string, Script][])('a worker that %s is 504 when the time for the first token is over', async (_name, script) => {
    const { url } = await start({ timeouts: { first_token_ms: 60 } });
    worker.script = script;
    const response = await ask(url, STREAM);
    expect(response.status).toBe(504);
    expect(response.headers.get('x-headgate-reason')).toBe('upstream_timeout');
    expect(response.headers.get('x-should-retry')).toBe('false');
    expect(await errorOf(response)).toMatchObject({ type: 'server_error', code: 'timeout' });
    await freed();
  });

  test('once comments have gone out, a first token that does not come is an error event', async () => {
    const { url } = await start({ timeouts: { first_token_ms: 3_000 }, stream: { keep_alive_ms: 20 } });
    worker.script = (_request, response) => response.writeHead(200, SSE).flushHeaders();
    const stream = flow(await ask(url, STREAM));
    expect(await stream.over).toBe('ended');
    expect(stream.response.status).toBe(200);
    expect(errorAtEnd(stream.text())).toMatchObject({ type: 'server_error', code: 'timeout' });
    await freed();
  });

  test('a worker that falls silent between two tokens ends with an error event, comments or not', async () => {
    const { url } = await start({ timeouts: { idle_ms: 120 }, stream: { keep_alive_ms: 20 } });
    worker.script = (_request, response) => void response.writeHead(200, SSE).write(event('Hello'));
    const stream = flow(await ask(url, STREAM, { headers: { 'x-request-id': 'idle' } }));
    expect(await stream.over).toBe('ended');
    expect(contentOf(stream.text())).toBe('Hello');
    expect(errorAtEnd(stream.text())).toMatchObject({ type: 'server_error', code: 'timeout' });
    expect(await endOf(gateway!, 'idle')).toMatchObject({ outcome: 'broken', reason: 'upstream_timeout' });
    await freed();
  });

  test('a stream that takes too long in all ends with an error event', async () => {
    const { url } = await start({ timeouts: { stream_max_ms: 3_000 } });
    worker.script = answers.stream(
      Array.from({ length: 100_000 }, () => 'x'),
      5,
    );
    const stream = flow(await ask(url, STREAM, { headers: { 'x-request-id': 'long' } }));
    expect(await stream.over).toBe('ended');
    expect(contentOf(stream.text())).toMatch(/^x+$/);
    expect(errorAtEnd(stream.text())).toMatchObject({ type: 'server_error', code: 'timeout' });
    expect(await endOf(gateway!, 'long')).toMatchObject({ outcome: 'broken', reason: 'deadline' });
    await freed();
  });
});

describe('failure after the first token', () => {
  const SECRET = 'CUDA error at /opt/models/secret.cu';

  const FAILURES: [string, (response: ServerResponse) => void, string][] = [
    ['ends without a finish reason or [DONE]', (response) => response.end(), 'upstream_disconnected'],
    ['cuts the connection', (response) => response.socket?.resetAndDestroy(), 'upstream_disconnected'],
    ['closes the connection within a chunk', (response) => response.socket?.end('40\r\ndata: {"id"'), 'upstream_disconnected'],
    ['writes a chunk that is none', (response) => response.socket?.write('zz\r\nwhat\r\n'), 'upstream_disconnected'],
    [
      'says that it failed, and [DONE]',
      (response) =>
        response.end(`data: {"error": {"message": "${SECRET}", "type": "InternalServerError", "param": null, "code": 500}}\n\n${DONE}`),
      'upstream_error',
    ],
    [
      'says that it failed in the same chunk as its last token',
      (response) => response.end(`${event(' you')}data: {"error": {"message": "${SECRET}", "code": 500}}\n\n${DONE}`),
      'upstream_error',
    ],
    ['gives the request up', (response) => response.end(event('', 'abort') + DONE), 'upstream_error'],
  ];

  test.each(FAILURES)('a worker that %s: an error event, and never [DONE]', async (_name, fail, code) => {
    const { url } = await start();
    const upstream = handedOver();
    const asked = ask(url, STREAM, { headers: { 'x-request-id': 'broken' } });
    const response = await upstream;
    response.write(event('Hello'));
    const stream = flow(await asked);
    await begun(stream, 'Hello');
    fail(response);
    expect(await stream.over).toBe('ended');
    expect(contentOf(stream.text())).toMatch(/^Hello( you)?$/);
    expect(errorAtEnd(stream.text())).toMatchObject({ type: 'server_error', code });
    expect(stream.text()).not.toContain(SECRET);
    expect(stream.text()).not.toContain('abort');
    expect(await endOf(gateway!, 'broken')).toMatchObject({ status: 200, outcome: 'broken', code });
    const page = await (await fetch(`${url}/metrics`)).text();
    expect(page).toMatch(/^headgate_streams_broken_total\{reason="upstream"\} 1$/m);
    await freed();
  });

  test('a client that leaves a silent stream frees the worker, before its head and after', async () => {
    const { url } = await start();
    worker.script = answers.silence();
    const early = new AbortController();
    const outcome = ask(url, STREAM, { signal: early.signal, headers: { 'x-request-id': 'early' } }).catch((error: Error) => error.name);
    await until(() => worker.requests.length === 1, 'the request at the worker');
    early.abort();
    expect(await outcome).toBe('AbortError');
    await freed();
    expect(await endOf(gateway!, 'early')).toMatchObject({ outcome: 'disconnected', phase: 'upstream' });

    worker.script = (_request, response) => void response.writeHead(200, SSE).write(event('Hello'));
    const late = new AbortController();
    const stream = flow(await ask(url, STREAM, { signal: late.signal, headers: { 'x-request-id': 'late' } }));
    await begun(stream, 'Hello');
    late.abort();
    expect(await stream.over).toBe('cut');
    await freed();
    expect(await endOf(gateway!, 'late')).toMatchObject({ outcome: 'disconnected', phase: 'stream' });
    const page = await (await fetch(`${url}/metrics`)).text();
    expect(page).toMatch(/^headgate_client_disconnects_total\{phase="upstream"\} 1$/m);
    expect(page).toMatch(/^headgate_client_disconnects_total\{phase="stream"\} 1$/m);
  });
});

describe('a slow reader', () => {
  const PIECE = 'x'.repeat(60_000);
  const numbered = (n: number): string => `data: {"id":"1","n":${n},"choices":[{"delta":{"content":"${PIECE}"},"finish_reason":null}]}\n\n`;

  /** Writes as fast as it is read, until it is told to end. */
  function flood(): { written: number; ending: boolean; script: Script } {
    const state = {
      written: 0,
      ending: false,
      script: ((_request, response) => {
        const pump = (): void => {
          while (!state.ending) {
            if (!response.write(numbered(state.written++))) {
              response.once('drain', pump);
              return;
            }
          }
          response.end(event('', 'stop') + DONE);
        };
        response.writeHead(200, SSE);
        pump();
      }) as Script,
    };
    return state;
  }

  /** Resolves once the worker has been held up for a while. */
  async function heldUp(state: { readonly written: number }): Promise<void> {
    // A busy machine pauses by itself: it has stopped when it has not gone on for several looks in a row.
    for (let before = -1, still = 0; still < 4;) {
      still = before === state.written ? still + 1 : 0;
      before = state.written;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  test('holds back its own worker’s stream and nobody else’s, and misses nothing', async () => {
    const { url, port } = await start();
    const state = flood();
    worker.script = state.script;
    using slow = await connectRaw(port);
    slow.socket.pause();
    slow.send(rawRequest('POST', CHAT_PATH, { 'content-type': 'application/json', connection: 'close' }, JSON.stringify(STREAM)));
    await until(() => state.written > 10, 'the flood begun');
    await heldUp(state);
    // What the sockets on the way hold, and no more: a gateway that read on would hold all that the worker can write.
    const held = state.written;
    expect(held * PIECE.length).toBeLessThan(64 * 2 ** 20);

    worker.script = answers.stream(Array.from({ length: 50 }, (_, i) => `${i} `));
    const quick = await Promise.all(Array.from({ length: 5 }, async () => flow(await ask(url, STREAM))));
    for (const stream of quick) {
      expect(await stream.over).toBe('ended');
      expect(dataOf(stream.text())).toHaveLength(51);
    }
    expect(state.written).toBe(held);

    const answer = slow.answer();
    slow.socket.resume();
    await until(() => state.written > held, 'the flood going on');
    state.ending = true;
    const { body } = await answer;
    const numbers = [...body.matchAll(/"n":(\d+)/g)].map(([, n]) => Number(n));
    expect(numbers).toEqual(Array.from({ length: state.written }, (_, i) => i));
    expect(body.endsWith(DONE)).toBe(true);
  }, 20_000);

  test('that does not read for as long as a worker may be silent is cut, and the worker freed', async () => {
    const { port } = await start({ timeouts: { idle_ms: 150 } });
    const state = flood();
    worker.script = state.script;
    using slow = await connectRaw(port);
    slow.socket.pause();
    slow.send(rawRequest('POST', CHAT_PATH, { 'content-type': 'application/json', 'x-request-id': 'slow' }, JSON.stringify(STREAM)));
    await until(() => state.written > 10, 'the flood begun');
    await freed();
    expect(await endOf(gateway!, 'slow')).toMatchObject({ outcome: 'disconnected', phase: 'stream' });
  }, 20_000);
});

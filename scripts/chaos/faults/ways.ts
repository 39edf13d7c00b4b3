import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { reset } from '../../../supervisor/sim/request/reset.ts';

/** What a worker has been asked, and what it answers with. The words are the caller's mark. */
export interface Exchange {
  readonly words: readonly string[];
  readonly stream: boolean;
  readonly response: ServerResponse;
  /** Between two words of a stream. */
  readonly gapMs: number;
  /** What each event of a sound stream carries besides its word. */
  readonly padding: string;
  /** Whoever reads has not made room for so long. */
  readonly onHeld: (ms: number) => void;
}

export type Way = (exchange: Exchange) => unknown;

const DONE = 'data: [DONE]\n\n';
const OVERSIZED_BYTES = 12 * 2 ** 20;
const HUGE_HEADER_BYTES = 200_000;

export function eventOf(content: string, finish: string | null = null, padding = ''): string {
  const choice = { index: 0, delta: { content }, logprobs: null, finish_reason: finish };
  const chunk = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [choice] };
  return `data: ${JSON.stringify(padding === '' ? chunk : { ...chunk, padding })}\n\n`;
}

function completionOf(words: readonly string[]): string {
  const message = { role: 'assistant', content: words.join('') };
  const usage = { prompt_tokens: 3, completion_tokens: words.length, total_tokens: words.length + 3 };
  const choices = [{ index: 0, message, logprobs: null, finish_reason: 'stop' }];
  return JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'm', choices, usage });
}

/** Begins a stream and says the first half of it. */
async function half({ words, response, gapMs }: Exchange): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  for (const word of words.slice(0, Math.ceil(words.length / 2))) {
    if (response.destroyed) return;
    response.write(eventOf(word));
    await delay(gapMs);
  }
}

/** What comes first where the answer is no stream: the head, and half of its body. */
function halfBody({ words, response }: Exchange): void {
  const body = completionOf(words);
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.write(body.slice(0, body.length / 2));
}

async function midway(exchange: Exchange): Promise<void> {
  if (exchange.stream) await half(exchange);
  else halfBody(exchange);
  await delay(5);
}

function plain(status: number, body: unknown, type = 'application/json', headers: Record<string, string> = {}): Way {
  return ({ response }) => {
    response.writeHead(status, { 'content-type': type, ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
}

function raw(text: string): Way {
  return ({ response }) => void response.socket?.end(text);
}

const died = plain(500, { error: { message: 'engine died', type: 'InternalServerError', code: 500 } });

/** Writes, and waits until there is room for more: many megabytes at once would be nobody's turn but ours. */
async function writeWithRoom({ response, onHeld }: Exchange, text: string): Promise<void> {
  if (response.write(text) || response.destroyed) return;
  const since = performance.now();
  await new Promise<void>((resolve) => {
    const go = (): void => {
      response.off('drain', go).off('close', go);
      resolve();
    };
    response.once('drain', go).once('close', go);
  });
  onHeld(performance.now() - since);
}

/** A sound answer. */
export const sound: Way = async (exchange) => {
  const { words, stream, response, gapMs, padding } = exchange;
  if (!stream) {
    await delay(gapMs);
    const body = completionOf(words);
    if (!response.destroyed)
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  for (const [at, word] of words.entries()) {
    if (gapMs > 0) await delay(gapMs);
    if (response.destroyed) return;
    await writeWithRoom(exchange, eventOf(word, at === words.length - 1 ? 'stop' : null, padding));
  }
  response.end(DONE);
};

/** Ways in which a worker fails a request that it has taken, by name. */
export const WAYS = {
  reset: ({ response }) => reset(response.socket),
  end: ({ response }) => void response.socket?.end(),
  'half-head': raw('HTTP/1.1 200 OK\r\ncontent-type: text/event-str'),
  'head-only': ({ response }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    setTimeout(() => response.socket?.end(), 20);
  },
  'end-midway': async (exchange) => {
    await midway(exchange);
    exchange.response.socket?.end();
  },
  'reset-midway': async (exchange) => {
    await midway(exchange);
    reset(exchange.response.socket);
  },
  'no-done': async (exchange) => {
    await midway(exchange);
    if (exchange.stream) exchange.response.end();
    else exchange.response.socket?.end();
  },
  silence: () => undefined,
  'silence-midway': midway,
  'error-midway': async (exchange) => {
    if (!exchange.stream) {
      died(exchange);
      return;
    }
    await half(exchange);
    exchange.response.end(`data: {"error":{"message":"engine died","type":"InternalServerError","param":null,"code":500}}\n\n${DONE}`);
  },
  'abort-midway': async (exchange) => {
    if (!exchange.stream) {
      died(exchange);
      return;
    }
    await half(exchange);
    exchange.response.end(`${eventOf('', 'abort')}${DONE}`);
  },
  'status-500': plain(500, 'Internal Server Error', 'text/plain'),
  'status-503': plain(503, { error: { message: 'busy', type: 'ServiceUnavailableError', param: null, code: 503 } }),
  'status-429': plain(429, { error: { message: 'slow down', type: 'RateLimitError', param: null, code: 429 } }, 'application/json', {
    'retry-after': '1',
  }),
  'status-401': plain(401, { error: 'Unauthorized' }),
  redirect: plain(302, '', 'text/plain', { location: 'http://127.0.0.1:9/' }),
  html: plain(200, '<html><body>It works!</body></html>', 'text/html'),
  empty: plain(200, '', 'application/json'),
  'half-json': plain(200, '{"id":"chatcmpl-1","object":"chat.completion","choi'),
  'oversized-line': async (exchange) => {
    if (!exchange.stream) {
      await sound(exchange);
      return;
    }
    await half(exchange);
    const { words, response } = exchange;
    const [said, rest] = [Math.ceil(words.length / 2), eventOf('').replace('"model":"m"', `"model":"${'m'.repeat(OVERSIZED_BYTES)}"`)];
    response.end(
      `${rest}${words
        .slice(said)
        .map((word) => eventOf(word))
        .join('')}${DONE}`,
    );
  },
  drip: async ({ words, stream, response }) => {
    // A byte a second, without an end in sight.
    response.writeHead(200, { 'content-type': stream ? 'text/event-stream' : 'application/json' });
    for (const byte of stream ? eventOf(words[0]!) : completionOf(words)) {
      if (response.destroyed) return;
      response.write(byte);
      await delay(1_000);
    }
  },
  'huge-header': ({ response }) =>
    void response.socket?.write(`HTTP/1.1 200 OK\r\nx-huge: ${'h'.repeat(HUGE_HEADER_BYTES)}\r\ncontent-length: 2\r\n\r\n{}`),
  'two-lengths': raw('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\ncontent-length: 40\r\n\r\n{}'),
  'bad-chunk': raw('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\nzz\r\ndata: x\r\n'),
  'no-http': raw('SSH-2.0-OpenSSH_9.2\r\n'),
  'endless-hints': ({ response }) => void response.socket?.write('HTTP/1.1 102 Processing\r\n\r\n'.repeat(20_000)),
  packed: ({ response }) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
    response.end(Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0]));
  },
  twice: async (exchange) => {
    const { response, words } = exchange;
    const socket = response.socket;
    await sound(exchange);
    const body = completionOf(words);
    const again = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
    setImmediate(() => {
      if (socket?.writable) socket.write(again);
    });
  },
  'bad-bytes': async (exchange) => {
    if (!exchange.stream) {
      died(exchange);
      return;
    }
    await half(exchange);
    exchange.response.write(Buffer.from([0x64, 0x61, 0x74, 0x61, 0x3a, 0x20, 0xff, 0xfe, 0x00, 0x0a, 0x0a]));
    exchange.response.socket?.end();
  },
} satisfies Readonly<Record<string, Way>>;

export type WayName = keyof typeof WAYS;

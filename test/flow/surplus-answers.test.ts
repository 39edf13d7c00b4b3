import type * as net from 'node:net';
import { describe, expect, test } from 'vitest';
import { chunk, LAST_CHUNK, startRawWorker, STREAM_HEAD, whole } from '../gateway/http/raw-worker.ts';
import { startTestGateway } from '../support/gateway.ts';

// A worker, or a proxy before it, that answers one request twice: what is left over must never become somebody else's answer.

const CLIENTS = 60;
const SOUND_CALLS = 20;

interface Asked {
  readonly head: string;
  readonly body: string;
}

/** How long the first connections to a worker rest. */
const REST_MS = 100;
/** What "some milliseconds" have been at most. */
let latestMs = 0;

/** How the second answer comes. */
const WAYS: Readonly<Record<string, (socket: net.Socket, answer: Buffer) => void>> = {
  'in one write': (socket, answer) => void socket.write(Buffer.concat([answer, answer])),
  'in two writes': (socket, answer) => {
    socket.write(answer);
    setImmediate(() => socket.write(answer));
  },
  'some milliseconds later': (socket, answer) => {
    socket.write(answer);
    const saidAt = performance.now();
    setTimeout(() => {
      latestMs = Math.max(latestMs, performance.now() - saidAt);
      if (socket.writable) socket.write(answer);
    }, 4);
  },
};

function promptOf({ body }: Asked): string {
  return JSON.parse(body).messages[0].content;
}

function answerTo(asked: Asked, named: 'in the head' | 'in the body' | 'nowhere'): Buffer {
  const id = /x-request-id: (\S+)/.exec(asked.head)![1]!;
  const header = named === 'in the head' ? `\r\nx-request-id: ${id}` : '';
  const about = { id: named === 'in the body' ? `chatcmpl-${id}` : 'chatcmpl-1', object: 'chat.completion', model: 'm' };
  const content = promptOf(asked);
  if (!JSON.parse(asked.body).stream) {
    const choices = [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }];
    return whole(JSON.stringify({ ...about, choices }), `content-type: application/json${header}`);
  }
  const event = `data: ${JSON.stringify({ ...about, choices: [{ index: 0, delta: { content }, finish_reason: 'stop' }] })}\n\n`;
  return Buffer.from(
    `${STREAM_HEAD.replace('\r\n\r\n', `${header}\r\n\r\n`)}${chunk(event).toString()}${chunk('data: [DONE]\n\n').toString()}${LAST_CHUNK}`,
  );
}

const CASES = (['in the head', 'in the body', 'nowhere'] as const).flatMap((named) =>
  Object.keys(WAYS).flatMap((way) =>
    [false, true].map((stream) => ({ named, way, stream, atOnce: named === 'nowhere' && stream ? 5 : 1 })),
  ),
);

describe('from a worker that answers twice', () => {
  test.each(CASES)(
    '$way, naming the request $named (stream: $stream), each of 60 clients gets its own answer, $atOnce at a time',
    async (each) => {
      const { named, way, stream, atOnce } = each;
      latestMs = 0;
      await using worker = await startRawWorker();
      worker.say = (socket, asked) => WAYS[way]!(socket, answerTo(asked, named));
      await using gateway = await startTestGateway([worker.url]);
      await gateway.gateway.firstReady;
      const got = await ask(gateway.url, CLIENTS, atOnce, stream);
      expect(got.filter(({ others }) => others)).toEqual([]);
      // What a worker says too much costs nobody the answer where it is noticed before the next request.
      const refused = got.filter(({ own }) => !own);
      // On a busy machine its milliseconds may last until after that: then one call is told so, and no second.
      if (latestMs >= REST_MS && refused.length === 1) expect(refused[0]!.said).toContain('answered another request');
      else expect(refused).toEqual([]);
      expect(gateway.log.filter(({ event }) => event === 'worker.unasked')).toMatchObject([{ level: 'warn' }]);
    },
  );
});

test.each(['in the head', 'in the body'] as const)(
  'a worker that begins to answer twice when it is trusted, and names the request %s, is caught at its first',
  async (named) => {
    await using worker = await startRawWorker();
    worker.say = (socket, asked) => {
      const later = worker.posts() > SOUND_CALLS;
      WAYS[later ? 'some milliseconds later' : 'in one write']!(socket, later ? answerTo(asked, named) : Buffer.alloc(0));
      if (!later) socket.write(answerTo(asked, named));
    };
    await using gateway = await startTestGateway([worker.url]);
    await gateway.gateway.firstReady;
    // The first connections have to rest.
    await ask(gateway.url, SOUND_CALLS / 2, 5, false);
    await new Promise((resolve) => setTimeout(resolve, 150));
    await ask(gateway.url, SOUND_CALLS / 2, 1, false);
    const got = await ask(gateway.url, CLIENTS, 1, false);
    expect(got.filter(({ others }) => others)).toEqual([]);
    expect(got.filter(({ own }) => own).length).toBeGreaterThanOrEqual(CLIENTS - 1);
  },
);

interface Got {
  readonly own: boolean;
  readonly others: boolean;
  /** Where it was not its own answer. */
  readonly said: string;
}

async function ask(url: string, clients: number, atOnce: number, stream: boolean): Promise<Got[]> {
  const got: Got[] = [];
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < clients) {
      const prompt = `prompt-${next++}.`;
      const response = await fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'm', stream, messages: [{ role: 'user', content: prompt }] }),
      });
      const text = await response.text();
      const own = response.status === 200 && text.includes(prompt);
      got.push({ own, others: text.replaceAll(prompt, '').includes('prompt-'), said: own ? '' : `${response.status} ${text}` });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, client));
  return got;
}

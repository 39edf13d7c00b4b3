import { describe, expect, test } from 'vitest';
import { answers, event, type FakeVllm, type Script, startFakeVllm } from '../support/fake-vllm.ts';
import { allReady, startTestGateway } from '../support/gateway.ts';

// One client that repeats what a vLLM cannot serve is one witness: it must not close the gateway for everybody else.

const GOOD_CALLS = 40;

/** vLLM's three ways to tell a client's error that look like a failing worker. */
const WAYS: Readonly<
  Record<
    string,
    {
      readonly stream: boolean;
      readonly script: Script;
      readonly told: number;
      readonly path?: string;
      /** It looks like a death: such a call goes to each worker once, and is not sent again for a while. */ readonly mayBeSuspect?: true;
    }
  >
> = {
  'an HTTP 500': {
    stream: false,
    script: answers.error(500, { error: { message: 'Internal server error', type: 'InternalServerError', param: null, code: 500 } }),
    told: 502,
  },
  'an event with code 400 in a stream': {
    stream: true,
    script: (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
      response.write(
        'data: {"error": {"message": "Grammar error: Invalid type: objekt", "type": "BadRequestError", "param": null, "code": 400}}\n\n',
      );
      response.end('data: [DONE]\n\n');
    },
    told: 400,
  },
  'finish_reason abort': {
    stream: true,
    script: (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
      response.end(`${event('', 'abort')}data: [DONE]\n\n`);
    },
    told: 502,
  },
  'a stream of /v1/responses that is broken off before any output': {
    stream: true,
    path: '/v1/responses',
    script: (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
      response.write('event: response.created\ndata: {"sequence_number":0,"type":"response.created"}\n\n\n');
      response.write('event: response.in_progress\ndata: {"sequence_number":1,"type":"response.in_progress"}\n\n\n', () =>
        response.destroy(),
      );
    },
    told: 200,
  },
  'a connection that is broken off before the answer': {
    stream: false,
    script: (_request, response) => void response.destroy(),
    told: 502,
    mayBeSuspect: true,
  },
  'a connection that is broken off after the head': {
    stream: true,
    script: (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
      response.flushHeaders();
      setImmediate(() => response.destroy());
    },
    told: 502,
    mayBeSuspect: true,
  },
  'a stream that is broken off after a token': {
    stream: true,
    script: (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
      response.write(event('Hel'), () => response.destroy());
    },
    told: 200,
    mayBeSuspect: true,
  },
  'a stream that ends without [DONE]': {
    stream: true,
    script: (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
      response.end(event('Hel'));
    },
    told: 200,
  },
  'something that is not HTTP': {
    stream: false,
    script: (_request, response) => void response.socket!.end('SSH-2.0-OpenSSH_9.2\r\n'),
    told: 502,
  },
};

describe.each([1, 2])('beside a client that repeats a bad schema, at %i worker(s)', (count) => {
  test.each(Object.entries(WAYS))(
    'told by %s, no good call is refused',
    async (_name, { stream, script, told, path = '/v1/chat/completions', mayBeSuspect }) => {
      const workers: FakeVllm[] = await Promise.all(Array.from({ length: count }, () => startFakeVllm()));
      for (const worker of workers) {
        worker.script = (request, response) => (request.body.includes('objekt') ? script : answers.completion())(request, response);
      }
      await using gateway = await startTestGateway(workers.map(({ url }) => url));
      await allReady(gateway);
      const chat = async (body: object, path = '/v1/chat/completions'): Promise<number> => {
        const response = await fetch(`${gateway.url}${path}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'Hello' }], ...body }),
        });
        await response.text();
        return response.status;
      };
      const bad = (): Promise<number> => chat({ stream, input: 'Hello', response_format: { type: 'objekt' } }, path);

      // Alone first, when there is nobody to speak for the worker.
      const isTold = (status: number): boolean => status === told || (status === 422 && mayBeSuspect === true);
      for (let call = 0; call < 10; call++) expect(await bad()).toSatisfy(isTold);
      const seen = { good: [] as number[], bad: [] as number[] };
      for (let call = 0; call < GOOD_CALLS; call += 2) {
        const [one, two, three] = await Promise.all([chat({ user: `a${call}` }), chat({ user: `b${call}` }), bad()]);
        seen.good.push(one, two);
        seen.bad.push(three);
      }
      expect(new Set(seen.good)).toEqual(new Set([200]));
      expect(seen.bad.every(isTold)).toBe(true);
      // What failed everywhere once is not tried everywhere again. A call that was lost is: each worker is asked once.
      const asked = workers.flatMap(({ requests }) => requests).filter(({ body }) => body.includes('objekt')).length;
      expect(asked).toBeLessThanOrEqual((10 + GOOD_CALLS / 2) * (mayBeSuspect ? count : 1) + 1);
      for (const worker of workers) await worker[Symbol.asyncDispose]();
    },
  );
});

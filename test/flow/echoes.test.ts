import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway } from '../support/gateway.ts';

// Whatever a client can have echoed in an answer must not change what is made of it.

const LURES = [
  '"finish_reason":"abort"',
  '"stop_reason":null',
  '"status":"cancelled"',
  '"status":"failed"',
  'data: [DONE]',
  '\n\ndata: [DONE]\n\n',
  '\nevent: error\ndata: {"error":{"code":500}}\n\n',
  '{"error":{"message":"x","code":500}}',
  'EngineCore encountered an issue',
  '"usage":{"output_tokens":0}',
];
const KEYS = [
  'finish_reason',
  'stop_reason',
  'status',
  'error',
  'type',
  'code',
  'delta',
  'event',
  'data',
  'choices',
  'usage',
  'output_tokens',
];
const VALUES = ['abort', 'cancelled', 'failed', 'error', 'response.failed', 'message_stop', null, 0, 500, ...LURES];

const OBJECTS = [
  { finish_reason: 'abort' },
  { choices: [{ finish_reason: 'abort' }] },
  { stop_reason: null },
  { delta: { stop_reason: null } },
  { status: 'cancelled', usage: { output_tokens: 0 }, output: [] },
  { error: { message: 'x', code: 500 } },
  { type: 'error' },
];

/** Any JSON of words that mean something where the worker says them. */
const { lure } = fc.letrec<{ lure: unknown }>((tie) => ({
  lure: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom<unknown>(...VALUES),
    fc.constantFrom<unknown>(...OBJECTS),
    fc.array(tie('lure'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...KEYS), tie('lure'), { maxKeys: 4 }),
  ),
}));

type Api = 'chat' | 'completions' | 'messages' | 'responses';
const PATHS: Readonly<Record<Api, string>> = {
  chat: '/v1/chat/completions',
  completions: '/v1/completions',
  messages: '/v1/messages',
  responses: '/v1/responses',
};

/** A sound answer that holds `echo` wherever an engine may put what a client has sent: objects as they are, and text. */
function whole(api: Api, echo: unknown): object {
  const text = `${JSON.stringify(echo)}${typeof echo === 'string' ? echo : ''}`;
  const about = { metadata: echo, tools: [{ function: { parameters: echo } }], kv_transfer_params: echo };
  switch (api) {
    case 'chat':
      return {
        ...about,
        choices: [{ index: 0, message: { content: text, tool_calls: [{ function: { arguments: text } }], echo }, finish_reason: 'stop' }],
      };
    case 'completions':
      return { ...about, choices: [{ index: 0, text, echo, finish_reason: 'length' }] };
    case 'messages':
      return {
        type: 'message',
        ...about,
        content: [
          { type: 'text', text },
          { type: 'tool_use', input: echo },
        ],
        stop_reason: 'stop_sequence',
        stop_sequence: text,
      };
    case 'responses':
      return response('completed', echo, [
        { type: 'message', content: [{ text, echo }] },
        { type: 'function_call', arguments: text },
      ]);
  }
}

function response(status: string, echo: unknown, output: object[]): object {
  const text = { format: { schema: echo } };
  return { metadata: echo, tools: [echo], instructions: JSON.stringify(echo), text, output, status, usage: { output_tokens: 7 } };
}

/** The same, as the events of a stream. */
function events(api: Api, echo: unknown): string[] {
  const text = `${JSON.stringify(echo)}${typeof echo === 'string' ? echo : ''}`;
  const named = (type: string, fields: object): string => `event: ${type}\ndata: ${JSON.stringify({ ...fields, type })}\n\n`;
  const unnamed = (fields: object): string => `data: ${JSON.stringify({ id: 'x', ...fields })}\n\n`;
  const about = { metadata: echo, kv_transfer_params: echo };
  switch (api) {
    case 'chat':
    case 'completions':
      return [
        unnamed({ ...about, choices: [{ index: 0, delta: { content: text }, text, echo, finish_reason: null }] }),
        unnamed({ ...about, choices: [{ index: 0, delta: {}, text: '', echo, finish_reason: 'stop' }] }),
        'data: [DONE]\n\n',
      ];
    case 'messages':
      return [
        named('message_start', { message: { stop_reason: null, ...about } }),
        named('content_block_delta', { delta: { type: 'input_json_delta', partial_json: text }, ...about }),
        named('message_delta', { delta: { stop_reason: 'stop_sequence', stop_sequence: text }, ...about }),
        named('message_stop', {}),
      ];
    case 'responses':
      return [
        named('response.created', { response: response('in_progress', echo, []) }),
        named('response.output_text.delta', { delta: text, item: echo }),
        named('response.output_item.done', { item: { type: 'function_call', arguments: text, echo } }),
        named('response.completed', { response: response('completed', echo, [{ type: 'message', content: [{ text }] }]) }),
      ];
  }
}

test.each<Api>(['chat', 'completions', 'messages', 'responses'])(
  'no echo changes what is made of an answer of %s, streamed or not',
  async (api) => {
    await using worker: FakeVllm = await startFakeVllm();
    await using gateway = await startTestGateway([worker.url]);
    await gateway.gateway.firstReady;
    const ask = async (stream: boolean): Promise<{ status: number; text: string }> => {
      const body = JSON.stringify({ model: 'm', stream, max_tokens: 9, messages: [], prompt: 'x', input: 'x' });
      const answer = await fetch(`${gateway.url}${PATHS[api]}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
      return { status: answer.status, text: await answer.text() };
    };
    await fc.assert(
      fc.asyncProperty(lure, fc.boolean(), async (echo, inOneChunk) => {
        const body = JSON.stringify(whole(api, echo));
        worker.script = (_request, reply) => void reply.writeHead(200, { 'content-type': 'application/json' }).end(body);
        expect(await ask(false)).toEqual({ status: 200, text: body });
        const said = events(api, echo);
        worker.script = (_request, reply) => {
          reply.writeHead(200, { 'content-type': 'text/event-stream' });
          for (const each of inOneChunk ? [said.join('')] : said) reply.write(each);
          reply.end();
        };
        expect(await ask(true)).toEqual({ status: 200, text: said.join('') });
      }),
      { numRuns: 60 },
    );
    const ends = gateway.log.filter(({ event }) => event === 'request.end');
    expect(new Set(ends.map(({ outcome }) => outcome))).toEqual(new Set(['complete']));
    expect(gateway.log.filter(({ event }) => event === 'breaker' || event === 'retry')).toEqual([]);
  },
);

/** How each API says that its engine gave the request up. */
const GIVEN_UP: Readonly<Record<string, { api: Api; whole: object; events: string[] }>> = {
  'a chat of finish_reason abort': {
    api: 'chat',
    whole: { choices: [{ finish_reason: 'stop' }, { finish_reason: 'abort', message: { content: 'half' } }] },
    events: [
      'data: {"id":"x","choices":[{"index":0,"delta":{"content":"half"},"finish_reason":null}]}\n\n',
      'data: {"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"abort"}]}\n\n',
      'data: [DONE]\n\n',
    ],
  },
  'a message without a reason to stop': {
    api: 'messages',
    whole: { type: 'message', content: [{ type: 'text', text: 'half' }], stop_reason: null },
    events: [
      'event: message_start\ndata: {"type":"message_start","message":{}}\n\n',
      'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":null,"stop_sequence":null}}\n\n',
      'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    ],
  },
  ...Object.fromEntries(
    (['cancelled', 'failed'] as const).map((status) => [
      `a response whose status is ${status}`,
      {
        api: 'responses' as const,
        whole: response(status, null, [{ type: 'message', content: [{ text: 'half' }] }]),
        events: [
          `event: response.created\ndata: ${JSON.stringify({ response: { status: 'in_progress' }, sequence_number: 0 })}\n\n`,
          `event: response.completed\ndata: ${JSON.stringify({ response: response(status, null, []), sequence_number: 1 })}\n\n`,
        ],
      },
    ]),
  ),
  'a response that failed by its own event': {
    api: 'responses',
    whole: response('failed', null, []),
    events: [
      `event: response.created\ndata: ${JSON.stringify({ response: { status: 'in_progress' }, sequence_number: 0 })}\n\n`,
      `event: response.failed\ndata: ${JSON.stringify({ response: response('failed', null, []), sequence_number: 1 })}\n\n`,
    ],
  },
  'a response of no token at all': {
    api: 'responses',
    whole: { ...response('completed', null, [{ type: 'message', content: [{ text: '' }] }]), usage: { output_tokens: 0 } },
    events: [
      `event: response.created\ndata: ${JSON.stringify({ response: { status: 'in_progress' }, sequence_number: 0 })}\n\n`,
      `event: response.completed\ndata: ${JSON.stringify({ response: { ...response('completed', null, []), usage: { output_tokens: 0 } } })}\n\n`,
    ],
  },
};

test.each(Object.entries(GIVEN_UP))(
  '%s is no answer: its client is told an error, streamed or not',
  async (_name, { api, whole: body, events: said }) => {
    await using worker: FakeVllm = await startFakeVllm();
    await using gateway = await startTestGateway([worker.url]);
    await gateway.gateway.firstReady;
    const ask = async (stream: boolean): Promise<Response> =>
      fetch(`${gateway.url}${PATHS[api]}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'm', stream, max_tokens: 9, messages: [], input: 'x' }),
      });
    worker.script = (_request, reply) => void reply.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    const answer = await ask(false);
    expect(answer.status).toBe(502);
    expect(await answer.text()).not.toContain('half');
    worker.script = (_request, reply) => {
      reply.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const each of said) reply.write(each);
      reply.end();
    };
    const text = await (await ask(true)).text();
    expect(text).toMatch(/"error":\s*\{/);
    expect(text).not.toMatch(/\[DONE\]|message_stop|response\.(?:completed|failed)/);
  },
);

test('a chat that has no word and no end but [DONE], as an engine in its drain sends it, is no answer', async () => {
  await using worker: FakeVllm = await startFakeVllm();
  worker.script = (_request, reply) => {
    reply.writeHead(200, { 'content-type': 'text/event-stream' });
    reply.write(
      'data: {"id":"x","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}\n\n',
    );
    reply.end('data: [DONE]\n\n');
  };
  await using gateway = await startTestGateway([worker.url]);
  await gateway.gateway.firstReady;
  const body = JSON.stringify({ model: 'm', stream: true, messages: [] });
  const answer = await fetch(`${gateway.url}${PATHS.chat}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  expect(await answer.text()).toMatch(/"error":\{/);
});

test('an event of more than 16 MiB is passed on as it came, and the worker is well', async () => {
  await using worker: FakeVllm = await startFakeVllm();
  const long = `event: response.completed\ndata: {"response":{"status":"completed","output":"${'x'.repeat(17 * 1_048_576)}"}}\n\n`;
  const said = 'event: response.created\ndata: {"response":{"status":"in_progress"}}\n\n';
  worker.script = (_request, reply) => {
    reply.writeHead(200, { 'content-type': 'text/event-stream' });
    reply.write(said);
    reply.end(long);
  };
  await using gateway = await startTestGateway([worker.url], { circuit_breaker: { failures: 1 } });
  await gateway.gateway.firstReady;
  const body = JSON.stringify({ model: 'm', stream: true, input: 'x' });
  for (let call = 0; call < 2; call++) {
    const answer = await fetch(`${gateway.url}${PATHS.responses}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    expect((await answer.text()) === said + long).toBe(true);
  }
  expect(gateway.log.filter(({ event }) => event === 'request.end').map(({ outcome }) => outcome)).toEqual(['complete', 'complete']);
});

import { expect, test } from 'vitest';
import { GatewayError } from '../../../../gateway/core/errors.ts';
import { type NotResumed, REFUSALS } from '../../../../gateway/policies/resume/refusals.ts';
import { resumableRequest } from '../../../../gateway/policies/resume/resumable-request.ts';
import { CHAT, fakeCall, MESSAGES } from '../../../support/fake-call.ts';
import { setUp, type Setup } from '../dispatch/dispatch-scene.ts';
import { COMPLETIONS, delta, piece, ROLE, streamOf } from './resume-scene.ts';

// Every row of the table of refusals, each with what brings it about. What is told to a client is an error event, as where nothing is resumed.

type Body = Readonly<Record<string, unknown>>;

const TOOL = { type: 'function', function: { name: 'f' } };
const completion = (more: Body): ['/v1/completions', Body] => ['/v1/completions', { prompt: 'hi', ...more }];
const chat = (more: Body): ['/v1/chat/completions', Body] => [
  '/v1/chat/completions',
  { messages: [{ role: 'user', content: 'hi' }], ...more },
];
const image = { role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:,' } }] };

/** What the request is. */
const REQUESTS: Partial<Record<NotResumed, readonly (readonly [string, Body])[]>> = {
  several_answers: [completion({ best_of: 2 })],
  prompt: [completion({ prompt: null, prompt_embeds: 'x' }), completion({ prompt: [] }), completion({ prompt: 7 })],
  prefilled: [chat({ continue_final_message: true }), chat({ add_generation_prompt: false })],
  multimodal: [chat({ messages: [image] }), chat({ messages: 'hi' }), chat({ audio: {} })],
  tools: [chat({ tools: [TOOL] }), chat({ tools: [TOOL], tool_choice: 'auto' }), chat({ functions: [{}] })],
  structured_output: [
    chat({ response_format: { type: 'json_object' } }),
    chat({ response_format: { type: 'json_schema', json_schema: {} } }),
    completion({ structured_outputs: { choice: ['a'] } }),
    completion({ guided_regex: 'a' }),
  ],
  logprobs: [chat({ logprobs: true }), completion({ logprobs: 0 }), chat({ logprob_token_ids: [1] })],
  prompt_logprobs: [completion({ prompt_logprobs: 0 })],
  token_ids: [completion({ return_token_ids: true })],
  echo: [completion({ echo: true }), chat({ echo: true })],
  suffix: [completion({ suffix: 'end' })],
  beam_search: [completion({ use_beam_search: true })],
  penalties: [chat({ presence_penalty: 0.5 }), completion({ frequency_penalty: -1 })],
  stop_strings: [
    completion({ stop: '\n\n' }),
    completion({ stop: ['.', 'User:'] }),
    chat({ stop: ['ab'], include_stop_str_in_output: true }),
  ],
  hidden_reasoning: [chat({ include_reasoning: false })],
  engine_fields: [completion({ kv_transfer_params: {} }), chat({ vllm_xargs: {} })],
};

/** Of requests that are nearly that, and go on. */
const TAKEN: readonly (readonly [string, Body])[] = [
  completion({}),
  completion({ prompt: [1, 2] }),
  completion({ prompt: ['one'], stop: '\n', n: 1, best_of: 1, echo: false, suffix: null, logprobs: null, presence_penalty: 0 }),
  chat({ tools: [TOOL], tool_choice: 'none' }),
  chat({ tools: [], stop: ['\n\n', 'User:'], response_format: { type: 'text' }, logprobs: false, top_logprobs: 0 }),
  chat({
    messages: [
      { role: 'user', content: [{ type: 'text', text: 'hi' }] },
      { role: 'assistant', content: null },
    ],
    seed: 1,
    top_p: 0.9,
  }),
];

interface Play {
  readonly setup?: Setup;
  readonly path?: '/v1/completions' | '/v1/chat/completions';
  /** What the first worker writes before it dies. */
  readonly events?: readonly string[];
  /** Other than dying. */
  readonly end?: (scene: ReturnType<typeof setUp>) => unknown;
  readonly goneAfter?: (sent: ReturnType<ReturnType<typeof setUp>['send']>) => void;
}

const SOME = [piece('one', [4], { first: true }), piece(' two', [5])];

/** What has come of it, and how things stand. */
const PLAYS: Partial<Record<NotResumed, Play>> = {
  engine: {},
  reasoning: { path: '/v1/chat/completions', events: [ROLE, delta({ reasoning: 'well' }, [4])] },
  tool_call: { path: '/v1/chat/completions', events: [ROLE, delta({ content: null, tool_calls: [{ index: 0 }] }, [4])] },
  other_output: { path: '/v1/chat/completions', events: [ROLE, delta({ refusal: 'no' }, [4])] },
  unreadable: { events: ['data: {"id":"x","choices":7}\n\n'] },
  seam: { events: [SOME[0]!, piece(' two', [5, 6])] },
  finished: { events: [...SOME, piece('.', [6], { finish: 'stop' })] },
  no_worker: { setup: { workers: 1 } },
  draining: { setup: { isDraining: () => true } },
  // It fails without dying, or the request would be suspected.
  most_resumes: {
    setup: { workers: 3, resumes: 1 },
    end: (scene) =>
      scene
        .open()[0]!
        .sent()
        .head()
        .frames(piece(' three', [6]))
        .frames('data: {"error":{"message":"no","code":500}}\n\n'),
  },
  failed_again: {
    end: (scene) => scene.open()[0]!.answer(400, { error: { message: 'no', type: 'BadRequestError', param: null, code: 400 } }),
  },
  client_gone: { setup: { workers: 1 }, goneAfter: ({ client }) => client.close() },
  deadline: {
    setup: { workers: 1 },
    goneAfter: ({ call }) => call.cancellation.cancel(new GatewayError('deadline', 'The request took too long.')),
  },
};

async function play({ setup, path = '/v1/completions', events = SOME, end, goneAfter }: Play, engine = 'vllm') {
  const scene = setUp({ resumes: 2, ...setup });
  for (const worker of scene.workers) worker.view = { ...worker.view, engine };
  const sent = scene.send(streamOf(path));
  await scene.settle();
  scene
    .open()[0]!
    .sent()
    .head()
    .frames(...events);
  await scene.settle();
  scene.open()[0]!.failed('died');
  await scene.settle();
  end?.(scene);
  await scene.settle();
  goneAfter?.(sent);
  await scene.clock.advance(10_000);
  return { scene, sent };
}

test('each row of the table has its test below', () => {
  const elsewhere = ['route', 'too_long', 'suspect'];
  expect([...Object.keys(REQUESTS), ...Object.keys(PLAYS), ...elsewhere].toSorted()).toEqual(Object.keys(REFUSALS).toSorted());
});

const requestOf = (path: string, body: Body) => {
  const route = path === COMPLETIONS.path ? COMPLETIONS : CHAT;
  return resumableRequest(fakeCall({ route, stream: true, text: JSON.stringify({ stream: true, ...body }) }));
};

test.each(Object.entries(REQUESTS).flatMap(([why, bodies]) => bodies.map(([path, body]) => [why, path, body] as const)))(
  'a request is refused for %s: %s %j',
  (why, path, body) => {
    expect(requestOf(path, body)).toBe(why);
  },
);

test.each(TAKEN)('a request goes on: %s %j', (path, body) => {
  expect(requestOf(path, body)).toMatchObject({ kind: path === COMPLETIONS.path ? 'completion' : 'chat' });
});

test('other routes, several answers and long requests are refused', () => {
  expect(resumableRequest(fakeCall({ route: MESSAGES, stream: true }))).toBe('route');
  const call = fakeCall({ route: COMPLETIONS, stream: true, text: '{"prompt":["a","b"]}' });
  expect(resumableRequest({ ...call, peek: { ...call.peek, choices: 2 } })).toBe('several_answers');
  expect(requestOf('/v1/completions', { prompt: 'x'.repeat(1_048_576) })).toBe('too_long');
});

test.each(Object.entries(PLAYS))('a stream is refused for %s', async (why, what) => {
  const { scene, sent } = await play(what, why === 'engine' ? 'sglang' : 'vllm');
  expect(scene.events.of('resumeEnded').map(([, outcome]) => outcome)).toEqual(why === 'most_resumes' ? ['resumed', why] : [why]);
  expect(sent.call.journey.resume).toMatchObject({ times: why === 'most_resumes' ? 1 : 0, refused: why });
  if (why === 'client_gone') expect(sent.client.outcome).toMatchObject({ kind: 'disconnected' });
  else {
    expect(sent.client.text).toMatch(/data: \{"error":\{"message":".*\}\}\n\n$/);
    expect(sent.client.text).not.toContain('[DONE]');
    expect(sent.client.outcome).toMatchObject({ kind: 'broken' });
  }
  expect(scene.workers.map(({ inFlight }) => inFlight)).toEqual(scene.workers.map(() => 0));
  expect(scene.clock.pending).toBe(0);
});

test('what has become too long is not kept', async () => {
  const long = Array.from({ length: 3 }, (_, i) => delta({ content: 'x'.repeat(400_000) }, [i]));
  const { scene } = await play({ path: '/v1/chat/completions', events: [ROLE, ...long] });
  expect(scene.events.of('resumeEnded').map(([, outcome]) => outcome)).toEqual(['too_long']);
});

test('a request that has killed two workers is not taken to a third', async () => {
  const { scene, sent } = await play({
    setup: { workers: 3 },
    end: ({ open }) =>
      open()[0]!
        .sent()
        .head()
        .frames(piece(' three', [6]))
        .failed('died'),
  });
  expect(scene.events.of('resumeEnded').map(([, outcome]) => outcome)).toEqual(['resumed', 'suspect']);
  expect(scene.asked()).toEqual([1, 1, 0]);
  expect(sent.client.outcome).toMatchObject({ kind: 'broken' });
});

test('what the worker finds wrong with the request itself is no loss of a worker', async () => {
  const scene = setUp({ resumes: 2 });
  const sent = scene.send(streamOf('/v1/completions'));
  await scene.settle();
  const wrong = 'data: {"error": {"message": "bad grammar", "type": "BadRequestError", "param": null, "code": 400}}\n\n';
  scene.open()[0]!.sent().head().frames(SOME[0]!).frames(wrong);
  await scene.clock.advance(10_000);
  expect(scene.events.count('resumeEnded')).toBe(0);
  expect(sent.client.outcome).toMatchObject({ kind: 'broken' });
});

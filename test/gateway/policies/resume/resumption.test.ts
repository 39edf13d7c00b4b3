import { expect, test } from 'vitest';
import type { Reply } from '../../../../gateway/core/reply.ts';
import { FakeClient } from '../../../support/fake-client.ts';
import type { FakeExchange } from '../../../support/fake-worker.ts';
import { setUp, type Setup } from '../dispatch/dispatch-scene.ts';
import { bodyOf, delta, DONE, piece, PROMPT_IDS, ROLE, streamOf } from './resume-scene.ts';

const LATER = { id: 'cmpl-2' };

/** A completion of which the first worker says `events`, and then dies. */
async function broken(
  setup: Setup,
  events: readonly string[],
  extra: object = {},
  path: '/v1/completions' | '/v1/chat/completions' = '/v1/completions',
) {
  const scene = setUp({ resumes: 2, ...setup });
  const sent = scene.send(streamOf(path, extra));
  await scene.settle();
  const first = scene.open()[0]!;
  first
    .sent()
    .head()
    .frames(...events);
  await scene.settle();
  first.failed('died');
  await scene.settle();
  return { scene, sent, first };
}

const SOME = [piece('one', [4], { first: true }), piece(' two', [5])];
const finish = (exchange: FakeExchange, ...events: string[]): unknown =>
  exchange
    .sent()
    .head()
    .lastFrames(...events, DONE);

test('a completion goes on with the ids of its prompt and of what was said', async () => {
  const { scene, sent, first } = await broken({}, SOME, { temperature: 0, seed: 1, min_tokens: 5, max_tokens: 9 });
  expect(bodyOf(first)).toMatchObject({ return_token_ids: true, max_tokens: 9 });
  const next = scene.open()[0]!;
  const { stream, temperature, seed, ...rest } = bodyOf(next);
  expect({ stream, temperature, seed }).toEqual({ stream: true, temperature: 0, seed: 1 });
  expect(rest).toMatchObject({ prompt: [...PROMPT_IDS, 4, 5], max_tokens: 7, min_tokens: 3, return_token_ids: true });
  expect(scene.workers.map(({ inFlight }) => inFlight)).toEqual([0, 1]);
  finish(next, piece(' three', [6], { ...LATER, first: true }), piece('.', [7], { ...LATER, finish: 'stop' }));
  await scene.settle();
  const { text, outcome } = sent.client;
  expect(text).toBe(
    [
      piece('one', [4], { first: true }).replace('[1,2,3]', 'null').replace('[4]', 'null'),
      piece(' two', [5]).replace('[5]', 'null'),
      ': resumed worker=w1 at=2\n\n',
      piece(' three', [6]).replace('[6]', 'null'),
      piece('.', [7], { finish: 'stop' }).replace('[7]', 'null'),
      DONE,
    ].join(''),
  );
  expect(outcome).toEqual({ kind: 'complete', status: 200 });
  expect(sent.call.journey.resume).toMatchObject({ times: 1, refused: null });
  expect(sent.call.attempts.map(({ worker, verdict }) => [worker, verdict?.kind])).toEqual([
    ['w0', 'failure'],
    ['w1', 'success'],
  ]);
  expect(scene.workers.map(({ inFlight }) => inFlight)).toEqual([0, 0]);
  expect(scene.clock.pending).toBe(0);
});

test('a completion without a limit goes on with what is left of vLLM’s own', async () => {
  const { scene } = await broken({}, SOME);
  expect(bodyOf(scene.open()[0]!)).toMatchObject({ max_tokens: 14 });
});

test('tokens that brought no text are generated again: a character may have begun in them', async () => {
  const { scene } = await broken({}, [...SOME, piece('', [6]), piece('', [7])]);
  expect(bodyOf(scene.open()[0]!)).toMatchObject({ prompt: [...PROMPT_IDS, 4, 5], max_tokens: 14 });
});

test('what has brought no text at all is asked again as it was', async () => {
  const { scene, sent } = await broken({}, [piece('', [4], { first: true })]);
  const next = scene.open()[0]!;
  expect(bodyOf(next)['prompt']).toBe(sent.call.id);
  finish(next, piece('all', [4], { ...LATER, first: true, finish: 'stop' }));
  await scene.settle();
  expect(sent.client.text).toContain('"id":"cmpl-1","object":"text_completion","created":7,"model":"m","choices":[{"index":0,"text":"all"');
  expect(sent.client.outcome).toMatchObject({ kind: 'complete' });
});

test('a chat goes on from its unfinished message, and white space at its end comes once', async () => {
  const said = [ROLE, delta({ content: 'One.' }, [4]), delta({ content: '\n\n' }, [5])];
  const { scene, sent } = await broken({}, said, { max_tokens: 9, max_completion_tokens: 8 }, '/v1/chat/completions');
  const next = scene.open()[0]!;
  const { messages, ...rest } = bodyOf(next);
  expect(messages).toEqual([
    { role: 'user', content: sent.call.id },
    { role: 'assistant', content: 'One.' },
  ]);
  expect(rest).toMatchObject({ continue_final_message: true, add_generation_prompt: false, max_tokens: 8, max_completion_tokens: 7 });
  const later = { id: 'chatcmpl-2' };
  finish(
    next,
    ROLE.replace('chatcmpl-1', 'chatcmpl-2'),
    delta({ content: '\n' }, [5], later),
    delta({ content: '\nTwo' }, [6], later),
    delta({ content: '.' }, [7], { ...later, finish: 'stop' }),
  );
  await scene.settle();
  const contents = [...sent.client.text.matchAll(/"content":("[^"]*")/g)].map(([, json]) => JSON.parse(json!) as string);
  expect(contents.join('')).toBe('One.\n\nTwo.');
  expect(sent.client.text.match(/"role"/g)).toHaveLength(1);
  expect(sent.client.text).not.toContain('chatcmpl-2');
});

test('it waits some seconds for another worker, or for the same one in another life, and says that it is still there', async () => {
  const { scene, sent } = await broken({ workers: 1, keepAliveMs: 1_000 }, SOME);
  const worker = scene.workers[0]!;
  scene.directory.setState(worker, 'starting');
  await scene.clock.advance(2_500);
  expect(sent.client.text.match(/: keep-alive\n\n/g)).toHaveLength(2);
  scene.directory.setState(worker, 'ready');
  await scene.settle();
  const next = scene.open()[0]!;
  finish(next, piece('.', [6], { ...LATER, first: true, finish: 'stop' }));
  await scene.settle();
  expect(sent.client.outcome).toMatchObject({ kind: 'complete' });
  expect(sent.call.journey.resume!.gaps).toMatchObject([{ worker: 'w0', tokens: 2 }]);
  expect(scene.clock.pending).toBe(0);
});

test('a worker in the life in which it lost the stream is not asked again', async () => {
  const { scene, sent } = await broken({ workers: 1 }, SOME);
  await scene.clock.advance(4_900);
  expect(scene.asked()).toEqual([1]);
  expect(sent.client.outcome).toBeNull();
  await scene.clock.advance(200);
  expect(sent.client.outcome).toMatchObject({ kind: 'broken' });
});

test('where the next worker cannot be reached, the one after it is asked', async () => {
  const { scene, sent } = await broken({ workers: 3 }, SOME);
  scene.open()[0]!.failed('connect');
  await scene.settle();
  expect(scene.asked()).toEqual([1, 1, 1]);
  finish(scene.open()[0]!, piece('.', [6], { ...LATER, finish: 'stop' }));
  await scene.settle();
  expect(sent.client.outcome).toMatchObject({ kind: 'complete' });
  expect(scene.events.of('resumeEnded').map(([, outcome]) => outcome)).toEqual(['resumed']);
});

test('a worker that dies before the client’s end is there costs nothing', async () => {
  const scene = setUp({ resumes: 2 });
  const call = streamOf('/v1/completions');
  const replied: Promise<Reply> = scene.handler(call);
  await scene.settle();
  // In one turn: nobody has had the reply in between.
  scene
    .open()[0]!
    .sent()
    .head()
    .frames(...SOME)
    .failed('died');
  const reply = await replied;
  await scene.settle();
  expect(scene.asked()).toEqual([1, 0]);
  const client = new FakeClient(call);
  client.receive(reply);
  await scene.settle();
  finish(scene.open()[0]!, piece('.', [6], { ...LATER, finish: 'stop' }));
  await scene.settle();
  expect(client.text).toContain(': resumed worker=w1 at=2\n\n');
  expect(client.outcome).toMatchObject({ kind: 'complete' });
});

test('a worker that dies as it takes over is gone on from as well', async () => {
  const { scene, sent } = await broken({ workers: 3 }, SOME);
  scene
    .open()[0]!
    .sent()
    .head()
    .frames(piece(' three', [6], { ...LATER, first: true }), 'data: {"error":{"message":"no","code":500}}\n\n');
  await scene.settle();
  expect(bodyOf(scene.open()[0]!)['prompt']).toEqual([...PROMPT_IDS, 4, 5, 6]);
  finish(scene.open()[0]!, piece('.', [7], { id: 'cmpl-3', finish: 'stop' }));
  await scene.settle();
  expect(sent.client.outcome).toMatchObject({ kind: 'complete' });
  expect(sent.client.text.match(/"id":"cmpl-1"/g)).toHaveLength(4);
});

test('a client that leaves in between frees everything', async () => {
  const { scene, sent } = await broken({}, SOME);
  sent.client.close();
  await scene.clock.advance(10_000);
  expect(scene.open()).toEqual([]);
  expect(sent.client.outcome).toMatchObject({ kind: 'disconnected' });
  expect(scene.workers.map(({ inFlight }) => inFlight)).toEqual([0, 0]);
  expect(scene.clock.pending).toBe(0);
});

test('a client that reads slowly is told no comments, and holds the next worker back', async () => {
  const scene = setUp({ resumes: 2, workers: 2, keepAliveMs: 1_000 });
  const sent = scene.send(streamOf('/v1/completions'));
  await scene.settle();
  const first = scene.open()[0]!.sent().head().frames(SOME[0]!);
  await scene.settle();
  scene.directory.setState(scene.workers[1]!, 'starting');
  sent.client.slow = true;
  // What its worker dies with is in the same read.
  first.frames(SOME[1]!, 'data: {"error":{"message":"no","code":500}}\n\n');
  await scene.clock.advance(3_000);
  expect(sent.client.unasked).toBe(0);
  scene.directory.setState(scene.workers[1]!, 'ready');
  await scene.settle();
  const next = scene
    .open()[0]!
    .sent()
    .head()
    .frames(piece(' three', [6], { ...LATER, first: true }));
  await scene.settle();
  expect(next.paused).toBe(true);
  sent.client.drain();
  expect(next.paused).toBe(false);
});

test('where nobody wants it, a stream is sent as it came and ends as ever', async () => {
  const { scene, sent, first } = await broken({ resumes: 0 }, SOME);
  expect(first.request.body!.bytes).toBe(sent.call.body.bytes);
  expect(sent.client.outcome).toMatchObject({ kind: 'broken' });
  expect(sent.call.journey.resume).toBeNull();
  expect(scene.events.count('resumeEnded')).toBe(0);
});

test('a stream that nothing happens to has the bytes of one that was never asked for its ids', async () => {
  const scene = setUp({ resumes: 2 });
  const sent = scene.send(streamOf('/v1/chat/completions'));
  await scene.settle();
  // A parser may take a token and say nothing: such an event is there for its ids alone.
  finish(
    scene.open()[0]!,
    ROLE,
    delta({}, [3]),
    delta({ content: '"token_ids":[1]' }, [4]),
    delta({ content: '.' }, [5], { finish: 'stop' }),
  );
  await scene.settle();
  const expected = [ROLE, delta({ content: '"token_ids":[1]' }, [4]), delta({ content: '.' }, [5], { finish: 'stop' })];
  expect(sent.client.text).toBe(
    [...expected.map((event) => event.replace(/"((?:prompt_)?token_ids)":\[[\d,]+\]/, '"$1":null')), DONE].join(''),
  );
});

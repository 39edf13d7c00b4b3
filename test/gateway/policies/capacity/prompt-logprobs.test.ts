import { describe, expect, test } from 'vitest';
import type { Call, PromptLogprobsField } from '../../../../gateway/core/call.ts';
import type { Reply } from '../../../../gateway/core/reply.ts';
import type { WorkerState } from '../../../../gateway/core/worker.ts';
import { errorReplyParts } from '../../../../gateway/openai/error-reply.ts';
import { refusePromptLogprobs, unwillingError, willingWorkers } from '../../../../gateway/policies/capacity/prompt-logprobs.ts';
import { CHAT, fakeCall } from '../../../support/fake-call.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { FakeDirectory } from '../../../support/fake-directory.ts';
import { FakeWorker } from '../../../support/fake-worker.ts';
import { die, good, kindOf, once, setUp, textOf } from '../dispatch/dispatch-scene.ts';
import { seededRandom } from '../../../support/seeded-random.ts';

const COMPLETIONS = { ...CHAT, path: '/v1/completions' };
const asking = (field: PromptLogprobsField = 'prompt_logprobs'): Call => fakeCall({ promptLogprobs: field });
const plain = (): Call => fakeCall();

function refusing(id: string): FakeWorker {
  return new FakeWorker(id, { refuses: ['prompt_logprobs'] });
}

/** A call of which nothing can be looked at. */
function unseen(): Call {
  return new Proxy(fakeCall(), {
    get(_, key) {
      throw new Error(`it was asked for its ${String(key)}`);
    },
  });
}

describe('the workers that a call may be sent to', () => {
  test('are all of them as long as none refuses, and the call is not looked at', () => {
    const workers = [new FakeWorker('w0'), new FakeWorker('w1', { refuses: [] })];
    expect(willingWorkers(workers, unseen())).toBe(workers);
  });

  test('are those that do not refuse, for a call that asks', () => {
    const [may, no] = [new FakeWorker('w0'), refusing('w1')];
    for (const field of ['prompt_logprobs', 'logprobs', 'echo'] as const) expect(willingWorkers([no, may], asking(field))).toEqual([may]);
    expect(willingWorkers([no, may], fakeCall({ route: COMPLETIONS, promptLogprobs: 'logprobs' }))).toEqual([may]);
    expect(willingWorkers([no], asking())).toEqual([]);
  });

  test('are all of them for a call that does not ask, and where the field means nothing', () => {
    const workers = [refusing('w0'), new FakeWorker('w1')];
    expect(willingWorkers(workers, plain())).toBe(workers);
    const embedding = fakeCall({ route: { ...CHAT, path: '/v1/embeddings' }, promptLogprobs: 'prompt_logprobs' });
    expect(willingWorkers(workers, embedding)).toBe(workers);
  });
});

test.each([
  ['prompt_logprobs', 'Leave `prompt_logprobs` out'],
  ['logprobs', 'Leave `echo` or `logprobs` out'],
  ['echo', 'Leave `echo` out'],
] as const)('a client that asks by %s is told what, why and what to do instead, and not to come back with it', (field, instead) => {
  const { status, headers, body } = errorReplyParts(
    unwillingError(new FakeDirectory(createFakeClock(), [refusing('w0')]), asking(field)),
    'openai',
    seededRandom(1),
  );
  expect(status).toBe(400);
  expect(headers).toMatchObject({ 'x-should-retry': 'false', 'x-headgate-reason': 'client_error' });
  const { error } = JSON.parse(body) as { error: { message: string } };
  expect(error).toMatchObject({ type: 'invalid_request_error', code: 'invalid_value', param: field });
  expect(error.message).toContain('has run out of memory');
  expect(error.message).toContain(instead);
});

describe('before a call waits for a place', () => {
  const answered = { status: 200 } as Reply;

  function gate(workers: readonly FakeWorker[]) {
    const directory = new FakeDirectory(createFakeClock(), workers);
    return refusePromptLogprobs(directory)(() => Promise.resolve(answered));
  }

  test('it is refused when every ready worker refuses it', async () => {
    const handler = gate([refusing('w0'), refusing('w1'), new FakeWorker('w2', { state: 'failed' })]);
    await expect(handler(asking())).rejects.toMatchObject({ kind: 'invalid_value', details: { param: 'prompt_logprobs' } });
    await expect(handler(plain())).resolves.toBe(answered);
  });

  test('it is told to come back when the worker that would take it is on its way', async () => {
    const coming = (state: WorkerState, etaSeconds: number | null) => new FakeWorker(`coming-${state}`, { state, etaSeconds });
    for (const state of ['starting', 'warming', 'stopping', 'backoff'] as const) {
      const handler = gate([refusing('w0'), coming(state, 40), coming('starting', null)]);
      await expect(handler(asking())).rejects.toMatchObject({ kind: 'model_loading', status: 503, details: { retryAfterMs: 40_000 } });
    }
    await expect(gate([refusing('w0'), coming('idle', null)])(asking())).rejects.toMatchObject({ kind: 'invalid_value' });
    const elsewhere = new FakeWorker('other', {
      state: 'starting',
      models: [{ id: 'other', root: null, parent: null, maxModelLen: null }],
    });
    await expect(gate([refusing('w0'), elsewhere])(asking())).rejects.toMatchObject({ kind: 'invalid_value' });
  });

  test('it goes on when one would take it, and when there is nobody to refuse it', async () => {
    await expect(gate([refusing('w0'), new FakeWorker('w1')])(asking())).resolves.toBe(answered);
    await expect(gate([])(asking())).resolves.toBe(answered);
  });
});

describe('a call that asks for it is sent', () => {
  test('to the worker that does not refuse, every time; others go to both', async () => {
    const { workers, sendTo, asked } = setUp();
    workers[0]!.view = refusing('w0').view;
    for (let i = 0; i < 4; i++) expect(textOf(await sendTo(good, asking()))).not.toBe('');
    expect(asked()).toEqual([0, 4]);
    for (let i = 0; i < 4; i++) await sendTo(good, plain());
    expect(asked()).toEqual([2, 6]);
  });

  test('to none when all have come to refuse while it waited', async () => {
    const { workers, send, settle, asked } = setUp();
    for (const worker of workers) worker.view = refusing(worker.id).view;
    const sent = send(asking());
    await settle();
    expect(kindOf(sent)).toBe('invalid_value');
    expect(asked()).toEqual([0, 0]);
  });

  test('once more to another that takes it, but never to one that refuses', async () => {
    const { workers, sendTo, asked } = setUp({ workers: 3, max_attempts: 3 });
    workers[1]!.view = refusing('w1').view;
    expect(textOf(await sendTo(once(die), asking()))).not.toBe('');
    expect(asked()).toEqual([1, 0, 1]);
    const lone = setUp({ max_attempts: 3 });
    lone.workers[1]!.view = refusing('w1').view;
    expect(kindOf(await lone.sendTo(die, asking()))).toBe('upstream_disconnected');
    expect(lone.asked()).toEqual([1, 0]);
  });

  test('to none while the breaker of the only willing one is open', async () => {
    const { workers, sendTo, asked } = setUp({ max_attempts: 1, breaker: { failures: 1 } });
    workers[1]!.view = refusing('w1').view;
    await sendTo(die, asking());
    expect(kindOf(await sendTo(good, asking()))).toBe('breaker_open');
    expect(asked()).toEqual([1, 0]);
  });
});

import { expect, test } from 'vitest';
import { AS_ADMIN } from '../../support/admin.ts';
import { answers, startFakeVllm } from '../../support/fake-vllm.ts';
import { startTestGateway, until } from '../../support/gateway.ts';
import { MOST_LOOKING } from '../../../gateway/console/feed.ts';

interface Told {
  readonly event: string;
  readonly data: any;
}

/** Reads what is told until `stop`. */
async function listen(url: string): Promise<{ readonly told: Told[]; readonly text: () => string; stop(): void }> {
  const control = new AbortController();
  const answer = await fetch(`${url}/admin/events`, { headers: AS_ADMIN, signal: control.signal });
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
  const told: Told[] = [];
  let text = '';
  void (async () => {
    let rest = '';
    for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) {
      text += piece;
      const frames = (rest + piece).split('\n\n');
      rest = frames.pop()!;
      for (const frame of frames) {
        const [, event, data] = /^id: \d+\nevent: (\w+)\ndata: (.*)$/.exec(frame) ?? [];
        if (event !== undefined) told.push({ event, data: JSON.parse(data!) });
      }
    }
  })().catch(() => {});
  return { told, text: () => text, stop: () => control.abort() };
}

test('tells how things are, and then what changes: calls in flight, and as they ended, with nothing of what was said', async () => {
  await using worker = await startFakeVllm();
  worker.script = answers.stream(['secret', ' words'], 300);
  await using gateway = await startTestGateway([worker.url]);
  await gateway.gateway.firstReady;
  const { told, text, stop } = await listen(gateway.url);
  await until(() => told.length > 1, 'the snapshot and a delta');
  expect(told[0]).toMatchObject({
    event: 'snapshot',
    data: { status: { workers: [{ state: 'ready' }] }, history: { columns: {} }, live: [], ended: [], breakers: {} },
  });
  const chat = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'm', stream: true, messages: [{ role: 'user', content: 'a private question' }] }),
  });
  await chat.text();
  const ended = () => told.flatMap(({ data }) => data.ended);
  await until(() => ended().length > 0, 'the call has ended');
  expect(ended()).toMatchObject([{ model: 'm', route: '/v1/chat/completions', outcome: 'complete', status: 200, stream: true }]);
  const [{ attempts, duration_ms: took }] = ended();
  expect(attempts).toMatchObject([{ worker: expect.any(String), failure: null }]);
  expect(attempts[0].sent_ms).toBeLessThanOrEqual(attempts[0].first_ms);
  expect(attempts[0].last_ms).toBeLessThanOrEqual(took);
  await until(() => told.some(({ data }) => data.points?.some((point: any) => point.values.requests > 0)), 'a point with the call');
  expect(text()).not.toMatch(/secret|private question/);
  // What has not changed is not told again.
  expect(told.slice(1).filter(({ data }) => data.status).length).toBeLessThan(told.length - 1);
  stop();
  const late = await listen(gateway.url);
  await until(() => late.told.length > 0, 'another snapshot');
  expect(late.told[0]!.data.ended).toHaveLength(1);
  late.stop();
});

test('a refusal is counted by its reason, and the feed has a limit', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url]);
  await gateway.gateway.firstReady;
  const { told, stop } = await listen(gateway.url);
  await until(() => told.length > 0, 'the snapshot');
  await fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{' });
  await until(() => told.some(({ data }) => data.points?.some((point: any) => point.values['refused:client_error'] > 0)), 'the refusal');
  const ended = () => told.flatMap(({ data }) => data.ended);
  await until(() => ended().length > 0, 'it stands among the calls');
  expect(ended()).toMatchObject([{ route: '/v1/chat/completions', outcome: 'refused', status: 400, id: expect.stringMatching(/./) }]);
  await (await fetch(`${gateway.url}/admin/status`)).text();
  await until(() => told.some(({ data }) => data.points?.some((point: any) => point.values.operators > 0)), 'a refusal of the operator');
  expect(ended()).toHaveLength(1);
  stop();
  const all = await Promise.all(Array.from({ length: MOST_LOOKING }, () => listen(gateway.url)));
  const refused = await fetch(`${gateway.url}/admin/events`, { headers: AS_ADMIN });
  expect(refused.status).toBe(503);
  expect(await refused.text()).toContain('The console is open');
  for (const each of all) each.stop();
  await until(async () => {
    const again = await fetch(`${gateway.url}/admin/events`, { headers: AS_ADMIN });
    await again.body!.cancel();
    return again.status === 200;
  }, 'room again');
});

test("an engine's log is shown to operators alone", async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url]);
  await gateway.gateway.firstReady;
  const id = encodeURIComponent(new URL(worker.url).host);
  expect((await fetch(`${gateway.url}/admin/workers/${id}/log`)).status).toBe(401);
  const own = await fetch(`${gateway.url}/admin/workers/${id}/log`, { headers: AS_ADMIN });
  expect(await own.json()).toEqual({ worker: decodeURIComponent(id), file: null, lines: [] });
  expect((await fetch(`${gateway.url}/admin/workers/nobody/log`, { headers: AS_ADMIN })).status).toBe(404);
});

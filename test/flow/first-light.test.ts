import { expect, test } from 'vitest';
import { answers, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway } from '../support/gateway.ts';

test('a chat goes to the worker and its answer comes back byte for byte', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url]);
  await gateway.gateway.firstReady;
  const body =
    '{ "model":"m", "messages":[{"role":"user","content":"hi"}], "seed": 9007199254740993, "temperature": 1.0, "new_field": {"a":1} }';
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  expect(response.status).toBe(200);
  expect(((await response.json()) as any).choices[0].message.content).toBe('Hello');
  expect(worker.requests[0]?.body).toBe(body);
});

test('a stream passes through unchanged and ends after [DONE]', async () => {
  await using worker = await startFakeVllm();
  worker.script = answers.stream(['a', 'b', 'c'], 5);
  await using gateway = await startTestGateway([worker.url]);
  await gateway.gateway.firstReady;
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"model":"m","stream":true,"messages":[]}',
  });
  const text = await response.text();
  expect(text.match(/"content":"[abc]"/g)).toEqual(['"content":"a"', '"content":"b"', '"content":"c"']);
  expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
});

import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';
import { ended, submit } from './batch-scene.ts';

let worker: FakeVllm;
let gateway: TestGateway;

beforeEach(async () => {
  worker = await startFakeVllm(['BAAI/bge-reranker-v2-m3']);
  worker.script = (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end('{"id":"x","usage":{"prompt_tokens":3,"total_tokens":3}}');
  };
  gateway = await startTestGateway([worker.url], { log: { level: 'warn' } }, undefined, scratchFolder());
  await gateway.gateway.firstReady;
});

afterEach(async () => {
  await gateway.stop();
  await worker[Symbol.asyncDispose]();
});

// As the examples of `vllm run-batch` are written, with the spaces of Python's json.
const HEAD = '"custom_id": "request-1", "method": "POST"';
const MODEL = '"model": "BAAI/bge-reranker-v2-m3"';

test.each([
  [
    '/v1/chat/completions',
    '/v1/chat/completions',
    `{${MODEL}, "messages": [{"role": "user", "content": "Hello world!"}], "max_completion_tokens": 1000}`,
  ],
  ['/v1/embeddings', '/v1/embeddings', `{${MODEL}, "input": "You are a helpful assistant."}`],
  [
    '/v1/score',
    '/v1/score',
    `{${MODEL}, "queries": "What is the capital of France?", "documents": ["The capital of Brazil is Brasilia.", "Paris"]}`,
  ],
  ['/v1/score', '/score', `{${MODEL}, "text_1": "What is the capital of France?", "text_2": ["Paris"]}`],
  ['/v1/rerank', '/v1/rerank', `{${MODEL}, "query": "What is the capital of France?", "documents": ["Paris"]}`],
  ['/v1/rerank', '/rerank', `{${MODEL}, "query": "q", "documents": ["a"], "top_n": 9007199254740993}`],
  ['/v1/rerank', '/v2/rerank', `{${MODEL}, "query": "q", "documents": ["a"]}`],
])('a file of vllm run-batch for %s, whose lines say %s, goes through with each body as it was written', async (endpoint, url, body) => {
  const id = await submit(gateway.url, [`{${HEAD}, "url": "${url}", "body": ${body}}`], {}, endpoint);
  const { batch, output } = await ended(gateway, id);
  expect(batch.request_counts).toEqual({ total: 1, completed: 1, failed: 0 });
  expect(output).toMatchObject([{ custom_id: 'request-1', response: { status_code: 200, body: { id: 'x' } }, error: null }]);
  const sent = worker.requests.filter((request) => request.body !== '');
  expect(sent.map((request) => [request.path, request.body])).toEqual([[endpoint, body]]);
});

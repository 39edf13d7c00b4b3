import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { contentOf, dataOf } from '../flow/asking.ts';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import { findLlamaServer, startLlamaServer, type LlamaServer, versionOf } from './server.ts';

const HELP = `npm run test:llama-cpp [-- --record]: the gateway in front of a real llama-server, with a tiny model of random weights.

  LLAMA_SERVER=FILE     the program; otherwise llama-server on the PATH. Skipped where there is none
  --record              writes what it answers to test/gateway/engines/recorded/llama-cpp
`;

const RECORDED = new URL('../gateway/engines/recorded/llama-cpp/', import.meta.url);
const FLAGS = ['--metrics', '--parallel', '2', '--ctx-size', '2048'];

interface Scene {
  readonly server: LlamaServer;
  readonly gateway: TestGateway;
}

const chat = (extra: object = {}) => ({
  model: 'tiny',
  messages: [{ role: 'user', content: 'Hello' }],
  max_tokens: 8,
  temperature: 0,
  ...extra,
});

function post(url: string, body: object, path = '/v1/chat/completions', signal: AbortSignal | null = null): Promise<Response> {
  return fetch(url + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), signal });
}

const CHECKS: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  async 'is known for what it is'({ gateway }) {
    const [worker] = gateway.gateway.status().workers;
    assert.equal(worker!.engine, 'llama-cpp');
    assert.match(worker!.engine_version ?? '', /^b\d+/);
    assert.deepEqual([worker!.model, worker!.last_failure], ['tiny', null]);
  },

  async 'a chat is its own answer, and counted'({ server, gateway }) {
    const [direct, through] = [await post(server.url, chat()), await post(gateway.url, chat({ priority: 3 }))];
    assert.equal(through.status, 200);
    const [a, b] = [await direct.json(), await through.json()] as any[];
    assert.deepEqual(Object.keys(b).toSorted(), Object.keys(a).toSorted());
    assert.equal(b.choices[0].message.content, a.choices[0].message.content);
    const end = await endOf(gateway, through);
    assert.deepEqual([end['input_tokens'], end['output_tokens']], [b.usage.prompt_tokens, b.usage.completion_tokens]);
  },

  async 'a stream comes as it is written, with its timings, and is counted'({ server, gateway }) {
    const direct = await (await post(server.url, chat({ stream: true }))).text();
    const through = await post(gateway.url, chat({ stream: true }));
    const text = await through.text();
    assert.equal(contentOf(withIdFirst(text)), contentOf(withIdFirst(direct)));
    assert.equal(dataOf(text).at(-1), '[DONE]');
    assert.equal(dataOf(text).length, dataOf(direct).length);
    assert.match(text, /"timings":\{/);
    const { timings } = JSON.parse(dataOf(text).at(-2)!) as { timings: Record<string, number> };
    const end = await endOf(gateway, through);
    assert.deepEqual([end['input_tokens'], end['output_tokens']], [timings['prompt_n']! + timings['cache_n']!, timings['predicted_n']]);
  },

  async 'the usage comes to who asks for it'({ gateway }) {
    const text = await (await post(gateway.url, chat({ stream: true, stream_options: { include_usage: true } }))).text();
    assert.match(dataOf(text).at(-2)!, /"usage":\{.*"prompt_tokens":\d+/);
  },

  async 'Anthropic’s messages and OpenAI’s responses are relayed'({ gateway }) {
    const message = (await (await post(gateway.url, chat(), '/v1/messages')).json()) as { type: string };
    assert.equal(message.type, 'message');
    const stream = await (await post(gateway.url, chat({ stream: true }), '/v1/messages')).text();
    assert.match(stream, /event: message_stop/);
    const response = await (
      await post(gateway.url, { model: 'tiny', input: 'Hello', max_output_tokens: 8, stream: true }, '/v1/responses')
    ).text();
    assert.match(response, /event: response\.completed/);
  },

  async 'its load is read while it works, and a client that leaves frees it'({ server, gateway }) {
    const client = new AbortController();
    const running = post(gateway.url, chat({ stream: true, max_tokens: 1900, ignore_eos: true }), undefined, client.signal).then(
      (response) => response.text(),
    );
    running.catch(() => undefined);
    await until(() => gateway.gateway.status().workers[0]!.requests_running > 0, 'its load read');
    client.abort();
    await until(async () => /^llamacpp:requests_processing 0$/m.test(await (await fetch(`${server.url}/metrics`)).text()), 'its slot free');
  },

  async 'what is too long is the client’s fault'({ gateway }) {
    const response = await post(gateway.url, chat({ messages: [{ role: 'user', content: 'x'.repeat(3000) }] }));
    const { error } = (await response.json()) as { error: { code: string } };
    assert.deepEqual([response.status, error.code], [400, 'context_length_exceeded']);
    const { breakers } = (await (await fetch(`${gateway.url}/stats`)).json()) as {
      breakers: Record<string, { consecutive_failures: number }>;
    };
    assert.deepEqual(
      Object.values(breakers).map((breaker) => breaker.consecutive_failures),
      [0],
    );
  },

  async 'what it lacks is refused'({ gateway }) {
    assert.equal((await post(gateway.url, { model: 'tiny', input: 'x' }, '/classify')).status, 404);
    assert.equal((await post(gateway.url, chat({ structured_outputs: { regex: 'a+' } }))).status, 400);
  },

  async 'a stream that it dies in ends with an error, and it is out of service'({ server, gateway }) {
    const response = await post(gateway.url, chat({ stream: true, max_tokens: 1900, ignore_eos: true }));
    const reader = response.body!.getReader();
    await reader.read();
    server.process.kill('SIGKILL');
    let text = '';
    for (let read = await reader.read(); !read.done; read = await reader.read()) text += Buffer.from(read.value).toString();
    assert.match(text, /"code":"upstream_disconnected"/);
    assert.doesNotMatch(text, /\[DONE\]/);
    await until(() => gateway.gateway.status().workers[0]!.state === 'starting', 'it out of service');
    assert.equal(gateway.gateway.status().workers[0]!.last_failure?.class, 'unreachable');
  },
};

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  if (argv.includes('--help')) return (say(HELP), 0);
  const program = findLlamaServer();
  if (program === null) return (say('test:llama-cpp is skipped: there is no llama-server on the PATH, nor by LLAMA_SERVER.\n'), 0);
  say(`${program}: ${versionOf(program)}\n`);
  await using server = await startLlamaServer(program, FLAGS);
  await using gateway = await startTestGateway([server.url]);
  await until(() => gateway.gateway.status().workers[0]!.state === 'ready', 'the model loaded', 60_000);
  if (argv.includes('--record')) await record(server.url, versionOf(program));
  let failed = 0;
  for (const [name, check] of Object.entries(CHECKS)) {
    const problem = await check({ server, gateway }).then(
      () => null,
      (error: unknown) => error,
    );
    failed += problem === null ? 0 : 1;
    say(`${problem === null ? 'ok  ' : 'FAIL'} ${name}\n${problem === null ? '' : `${String(problem)}\n`}`);
  }
  say(failed === 0 ? `All ${Object.keys(CHECKS).length} hold.\n` : `${failed} of ${Object.keys(CHECKS).length} failed.\n`);
  return failed === 0 ? 0 : 1;
}

/** Answers as they are, one file each. */
async function record(url: string, version: string): Promise<void> {
  mkdirSync(RECORDED, { recursive: true });
  const save = (name: string, text: string) => writeFileSync(new URL(name, RECORDED), text);
  save(
    'recorded.md',
    `Recorded from a real llama-server (${version}) with the model of random weights of test/llama-cpp, by npm run test:llama-cpp -- --record.\n`,
  );
  for (const [name, path] of Object.entries({
    'models.txt': '/v1/models',
    'metrics.txt': '/metrics',
    'slots.txt': '/slots',
    'health.txt': '/health',
  })) {
    save(name, await (await fetch(url + path)).text());
  }
  save('chat.txt', await (await post(url, chat())).text());
  save('chat-stream.txt', await (await post(url, chat({ stream: true }))).text());
  save('chat-stream-usage.txt', await (await post(url, chat({ stream: true, stream_options: { include_usage: true } }))).text());
  save('too-long.txt', await (await post(url, chat({ messages: [{ role: 'user', content: 'x'.repeat(3000) }] }))).text());
  save('unknown-path.txt', await (await post(url, {}, '/classify')).text());
}

async function endOf(gateway: TestGateway, response: Response): Promise<Record<string, unknown>> {
  const id = response.headers.get('x-request-id');
  const find = () => gateway.log.find((line) => line['event'] === 'request.end' && line['request_id'] === id);
  await until(() => find() !== undefined, `the end of ${id}`);
  return find()!;
}

/** Its keys stand in the order of the alphabet. */
function withIdFirst(stream: string): string {
  return stream.replaceAll('data: {"choices"', 'data: {"id":0,"choices"');
}

function say(text: string): void {
  process.stdout.write(text);
}

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import { ask, chat } from './asking.ts';

// What begins as another prompt did goes where that one is in the prefix cache; what begins as none goes to whoever has the least to do.

const PREFIX: SettingsInput = { load_balancer: { affinity: 'prefix', slow_start_ms: 0 } };

let workers: FakeVllm[] = [];
let gateway: TestGateway | undefined;

beforeEach(async () => {
  workers = [await startFakeVllm(), await startFakeVllm(), await startFakeVllm()];
});

afterEach(async () => {
  await gateway?.stop();
  gateway = undefined;
  await Promise.all(workers.map((worker) => worker[Symbol.asyncDispose]()));
});

interface Stats {
  readonly workers: readonly { readonly state: string }[];
  readonly prefixes: Readonly<Record<string, number>>;
}

const stats = async (url: string): Promise<Stats> => (await (await fetch(`${url}/stats`)).json()) as Stats;

async function start(settings: SettingsInput): Promise<TestGateway> {
  gateway = await startTestGateway(
    workers.map(({ url }) => url),
    settings,
  );
  const { url } = gateway;
  await until(async () => (await stats(url)).workers.every(({ state }) => state === 'ready'), 'all workers are ready');
  return gateway;
}

interface Said {
  readonly role: string;
  readonly content: string;
}

async function workerFor(to: TestGateway, messages: readonly Said[]): Promise<string> {
  const response = await ask(to.url, chat({ messages }));
  expect(response.status).toBe(200);
  await response.text();
  return response.headers.get('x-headgate-worker')!;
}

const opening = (name: string): Said[] => [
  { role: 'system', content: `${name}: `.repeat(100) },
  { role: 'user', content: 'What now?' },
];
const answered = (said: readonly Said[]): Said[] => [
  ...said,
  { role: 'assistant', content: 'This, and then that. '.repeat(20) },
  { role: 'user', content: 'And then?' },
];

test('conversations go on where they began, are spread over the workers, and can be counted', async () => {
  const to = await start(PREFIX);
  // So many that each worker has some, whatever the ports are that they are told apart by.
  const names = Array.from({ length: 60 }, (_, i) => `agent-${i}`);
  const homes = new Map<string, string>();
  for (const name of names) homes.set(name, await workerFor(to, opening(name)));
  expect(new Set(homes.values()).size).toBe(3);
  for (const name of names) {
    expect(await workerFor(to, answered(opening(name)))).toBe(homes.get(name));
    expect(await workerFor(to, answered(answered(opening(name))))).toBe(homes.get(name));
  }
  const { prefixes } = await stats(to.url);
  expect(prefixes).toMatchObject({ new: 60, held: 120, spilled: 0 });
  expect(prefixes['matched_blocks']).toBeGreaterThan(0.4 * prefixes['sent_blocks']!);
  const page = await (await fetch(`${to.url}/metrics`)).text();
  expect(page).toContain('headgate_prefix_calls_total{result="held"} 120\n');
  expect(page).toContain(`headgate_prefix_held_blocks ${prefixes['held_blocks']}\n`);
  expect(JSON.stringify(to.log)).not.toContain('agent-');
});

test('nothing is kept where nobody asks for it', async () => {
  const to = await start({ load_balancer: { affinity: 'none', slow_start_ms: 0 } });
  for (let i = 0; i < 4; i++) await workerFor(to, opening('agent'));
  expect((await stats(to.url)).prefixes).toMatchObject({ sent_blocks: 0, held_blocks: 0, held_bytes: 0 });
});

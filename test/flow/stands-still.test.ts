import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { WorkerView } from '../../gateway/core/worker.ts';
import { snapshot, view } from '../gateway/workers/worker-fixtures.ts';
import { answers, type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, type TestGateway, until } from '../support/gateway.ts';
import { ask, chat, contentOf } from './asking.ts';

// A supervisor has found that an engine stands still: its own word, after a token that it asked for in vain.

const STALLED = { class: 'stalled', phase: 'serving', message: 'It made no token.', advice: 'Wait.', at: '2026-01-01T00:00:00.000Z' };
let workers: readonly FakeVllm[];
let gateway: TestGateway;
let close: () => void;
/** Says how the workers are, to the gateway that watches. */
let say: (over?: readonly Partial<WorkerView>[]) => void;

async function house(count: number): Promise<void> {
  workers = await Promise.all(Array.from({ length: count }, () => startFakeVllm()));
  const watchers: ServerResponse[] = [];
  const picture = (over: readonly Partial<WorkerView>[]): string => {
    const views = workers.map(({ url }, i) => view(`w${i}`, { url, pid: i + 1, ...over[i] }));
    return `${JSON.stringify(snapshot({ workers: views }))}\n`;
  };
  const control = createServer((request, response) => {
    if (request.method !== 'GET') return void response.writeHead(202).end('{}');
    watchers.push(response);
    response.writeHead(200).write(picture([]));
  });
  await new Promise<void>((resolve) => control.listen(0, '127.0.0.1', resolve));
  close = () => {
    control.close();
    control.closeAllConnections();
  };
  say = (over = []) => watchers.forEach((watcher) => watcher.write(picture(over)));
  gateway = await startTestGateway([], {
    workers: [],
    supervisor: { enabled: true, control: `http://127.0.0.1:${(control.address() as AddressInfo).port}` },
    load_balancer: { policy: 'round_robin', slow_start_ms: 0 },
    pressure: { scrape_interval_ms: 50 },
  });
  await gateway.gateway.firstReady;
}

afterEach(async () => {
  await gateway.stop();
  close();
  for (const worker of workers) await worker[Symbol.asyncDispose]();
});

test.each([false, true])('calls (stream: %s) that wait at it are answered by another, and the others go on', async (stream) => {
  await house(2);
  const [still, other] = workers as [FakeVllm, FakeVllm];
  // One call hangs before its first byte, the other stream has begun.
  still.script = answers.silence();
  other.script = stream ? answers.stream(['Hel', 'lo']) : answers.completion();
  const both = [ask(gateway.url, chat({ stream })), ask(gateway.url, chat({ stream }))];
  await until(() => still.requests.length === 1 && other.requests.length === 1, 'each has one');
  say([{ state: 'draining', lastFailure: STALLED }]);
  for (const response of await Promise.all(both)) {
    expect(response.status).toBe(200);
    expect(response.headers.get('x-headgate-worker')).toBe('w1');
    const text = await response.text();
    expect(stream ? contentOf(text) : text).toContain('Hello');
  }
  await until(() => still.requests[0]!.closed, 'it is told that nobody waits any more');
  expect(other.requests).toHaveLength(2);
});

test('a call waits on at the only worker, and has its answer when that gets on', async () => {
  await house(1);
  const [worker] = workers as [FakeVllm];
  let answer = (): void => {};
  worker.script = (request, response) => {
    answer = () => answers.completion()(request, response);
  };
  const waiting = ask(gateway.url, chat());
  await until(() => worker.requests.length === 1, 'it has the call');
  say([{ state: 'draining', lastFailure: STALLED }]);
  await until(async () => (await fetch(`${gateway.url}/readyz`)).status === 503, 'it has left service');
  say([{ state: 'ready', lastFailure: STALLED }]);
  await until(async () => (await fetch(`${gateway.url}/readyz`)).status === 200, 'it is back');
  answer();
  expect((await waiting).status).toBe(200);
  expect(worker.requests).toHaveLength(1);
});

import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../../../gateway/core/clock.ts';
import { openProbeListener, type ProbeListener } from '../../../../gateway/http/probes/probe-listener.ts';
import type { Told } from '../../../../gateway/http/probes/told.ts';
import { answers, startFakeVllm } from '../../../support/fake-vllm.ts';
import { startTestGateway } from '../../../support/gateway.ts';

let listener: ProbeListener | null = null;
afterEach(() => listener?.close());

function told(status: 200 | 503): Told {
  const answer = { status, body: { status: `told ${status}` } };
  const both = { plain: answer, verbose: answer };
  return { '/livez': both, '/readyz': both, '/startupz': both };
}

async function open(tell: () => Told, stuckMs?: number): Promise<string> {
  const options = { host: '127.0.0.1', port: 0, clock: systemClock, tell, onDeath: (error: Error) => expect.fail(error.message) };
  listener = await openProbeListener(stuckMs === undefined ? options : { ...options, stuckMs });
  return listener.url;
}

/** Asks while this thread does nothing else: no timer fires and no socket is read until the answer is there. */
function askWhileBusy(url: string): { status: number; body: unknown } {
  const program = `const r = await fetch(${JSON.stringify(url)}); console.log(JSON.stringify({ status: r.status, body: await r.json() }))`;
  return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8', timeout: 30_000 }));
}

test('probes are answered while the event loop turns no more', async () => {
  const url = await open(() => told(200));
  for (const path of ['/livez', '/health', '/readyz', '/startupz']) {
    expect(askWhileBusy(url + path)).toEqual({ status: 200, body: { status: 'told 200' } });
  }
});

test('and say so when it has not turned for too long', async () => {
  const url = await open(() => told(200), 1);
  expect(askWhileBusy(`${url}/livez`)).toEqual({ status: 503, body: { status: 'stuck', silent_seconds: expect.any(Number) } });
});

test('what is told anew is answered', async () => {
  let status: 200 | 503 = 200;
  const url = await open(() => told(status));
  status = 503;
  listener!.tell();
  await expect.poll(async () => (await fetch(`${url}/readyz`)).status).toBe(503);
});

test('HEAD has no body, and there is nothing else to ask for', async () => {
  const url = await open(() => told(200));
  const head = await fetch(`${url}/livez`, { method: 'HEAD' });
  expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '21', '']);
  for (const [method, path] of [
    ['GET', '/metrics'],
    ['POST', '/livez'],
  ] as const) {
    const answer = await fetch(url + path, { method });
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({ error: { code: 'unknown_url' } });
  }
});

test('a port that is taken is told as for every other listener', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as AddressInfo;
  const opening = openProbeListener({ host: '127.0.0.1', port, clock: systemClock, tell: () => told(200), onDeath: () => {} });
  await expect(opening).rejects.toMatchObject({ code: 'EADDRINUSE', port });
  await new Promise((resolve) => other.close(resolve));
});

test('a gateway with a port for probes says where it is, tells what it knows, and turns it down when it drains', async () => {
  const worker = await startFakeVllm();
  worker.script = answers.silence();
  const gateway = await startTestGateway([worker.url], { server: { probe_port: 0 }, shutdown: { grace_ms: 60_000 } });
  await gateway.gateway.firstReady;
  const line = gateway.log.map(({ msg }) => String(msg)).find((msg) => msg.startsWith('probes on '))!;
  const url = line.slice('probes on '.length);
  await expect.poll(async () => (await fetch(`${url}/readyz`)).status, { timeout: 10_000 }).toBe(200);
  expect(await (await fetch(`${url}/readyz?verbose`)).json()).toMatchObject({ status: 'ready', checks: { default_model: 'ok' } });
  const hangUp = new AbortController();
  const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'x' }] });
  const headers = { 'content-type': 'application/json' };
  const held = fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', headers, body, signal: hangUp.signal }).catch(() => {});
  await expect.poll(() => worker.requests.length, { timeout: 10_000 }).toBe(1);
  const stopped = gateway.stop();
  await expect.poll(async () => (await fetch(`${url}/readyz`)).status, { timeout: 10_000 }).toBe(503);
  expect((await fetch(`${url}/livez`)).status).toBe(200);
  hangUp.abort();
  await Promise.all([held, stopped]);
  await expect(fetch(`${url}/livez`)).rejects.toThrow();
  await worker.die();
});

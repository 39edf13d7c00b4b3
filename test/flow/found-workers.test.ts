import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { ApiServer } from '../../scripts/shows/churn/api-server.ts';
import { Cluster, NAMESPACE, type Pod } from '../../scripts/shows/churn/cluster.ts';
import { AS_ADMIN } from '../support/admin.ts';
import { type DnsServer, startDnsServer } from '../support/dns-server.ts';
import { answers, type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, type TestGateway, until } from '../support/gateway.ts';
import { ask, chat } from './asking.ts';
import { hold } from './holding.ts';

let cluster: Cluster;
let api: ApiServer;
const open: AsyncDisposable[] = [];

beforeEach(async () => {
  cluster = new Cluster();
  api = await ApiServer.start(cluster);
  open.push(api);
});

afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each[Symbol.asyncDispose]();
});

/** One pod of the service `vllm`: where that worker is. */
function put(worker: FakeVllm, more: Partial<Pod> = {}): void {
  const port = portOf(worker);
  const pod = { uid: `u-${port}`, address: '127.0.0.1', ready: true, ...more };
  cluster.put(`slice-${port}`, { ports: [{ name: 'http', port }], pods: [pod] });
}

function remove(worker: FakeVllm): void {
  cluster.delete(`slice-${portOf(worker)}`);
}

function portOf({ url }: FakeVllm): number {
  return Number(new URL(url).port);
}

async function fake(models?: readonly string[]): Promise<FakeVllm> {
  const worker = await startFakeVllm(models);
  open.push(worker);
  return worker;
}

async function gatewayWith(settings: SettingsInput = {}): Promise<TestGateway> {
  const gateway = await startTestGateway([], {
    workers: [{ kubernetes: { namespace: NAMESPACE, service: 'vllm', port: 'http' } }],
    discovery: { kubernetes: { api: api.url } },
    ...settings,
  });
  open.push(gateway);
  return gateway;
}

function states({ gateway }: TestGateway): Record<string, string> {
  return Object.fromEntries(gateway.status().workers.map(({ port, state }) => [port, state]));
}

async function isReady(gateway: TestGateway, ...workers: readonly FakeVllm[]): Promise<void> {
  const expected = JSON.stringify(Object.fromEntries(workers.map((worker) => [portOf(worker), 'ready']).toSorted()));
  await until(() => JSON.stringify(states(gateway)) === expected, `${expected} are ready, not ${JSON.stringify(states(gateway))}`);
}

test('pods of a service are workers: asked for their models, called, shown, counted', async () => {
  const [a, b] = [await fake(), await fake()];
  put(a);
  const gateway = await gatewayWith();
  await isReady(gateway, a);
  put(b);
  await isReady(gateway, a, b);
  await until(async () => {
    expect((await ask(gateway.url, chat())).status).toBe(200);
    return a.requests.length > 0 && b.requests.length > 0;
  }, 'that both are called');
  const source = `kubernetes ${NAMESPACE}/vllm:http`;
  const status = (await (await fetch(`${gateway.url}/admin/status`, { headers: AS_ADMIN })).json()) as ReturnType<
    TestGateway['gateway']['status']
  >;
  expect(status.sources).toEqual([{ source, answers: true, message: null, workers: 2, ending: 0 }]);
  expect(status.workers.map((worker) => worker.source)).toEqual([source, source]);
  const page = await (await fetch(`${gateway.url}/metrics`)).text();
  expect(page).toContain(`headgate_discovery_up{source="${source}"} 1`);
  expect(page).toContain(`headgate_discovery_workers{source="${source}"} 2`);
  expect(page).toContain(`headgate_discovery_changes_total{source="${source}",change="joined"} 2`);
  expect(gateway.log.filter(({ event }) => event === 'source.change')).toHaveLength(2);
});

test('a gateway that is found is no worker, though it answers as one', async () => {
  const worker = await fake();
  const other = await startTestGateway([worker.url]);
  open.push(other);
  await other.gateway.firstReady;
  put(worker);
  const port = Number(new URL(other.url).port);
  cluster.put('gateways', { ports: [{ name: 'http', port }], pods: [{ uid: 'g', address: '127.0.0.1', ready: true }] });
  const gateway = await gatewayWith();
  const found = () => gateway.gateway.status().workers.find((each) => each.port === port);
  await until(() => found()?.last_failure !== undefined && found()!.last_failure !== null, 'what it is');
  expect(found()).toMatchObject({ state: 'starting', last_failure: { message: expect.stringContaining('is a Headgate itself') } });
  await gateway.gateway.firstReady;
  expect((await ask(gateway.url, chat())).status).toBe(200);
});

test('one that is deleted while the watch is down, and whose end is told to nobody, is not asked any more', async () => {
  const [a, b] = [await fake(), await fake()];
  put(a);
  put(b);
  const gateway = await gatewayWith();
  await isReady(gateway, a, b);
  await api.down();
  remove(a);
  await api.up();
  await isReady(gateway, b);
  const before = a.requests.length;
  for (let n = 0; n < 10; n += 1) expect((await ask(gateway.url, chat())).status).toBe(200);
  expect(a.requests).toHaveLength(before);
});

test('without the API server the last workers serve on, and it is told', async () => {
  const a = await fake();
  put(a);
  const gateway = await gatewayWith();
  await isReady(gateway, a);
  await api.down();
  await until(() => gateway.log.some(({ event }) => event === 'source.away'), 'that the source is away');
  expect((await ask(gateway.url, chat())).status).toBe(200);
  expect(gateway.gateway.status().sources).toMatchObject([{ answers: false, workers: 1 }]);
  await api.up();
  await until(() => gateway.gateway.status().sources?.[0]?.answers === true, 'that it is back');
});

test('a pod that terminates finishes the answer that it gives, and gets no other', async () => {
  const [a, b] = [await fake(), await fake()];
  put(a);
  const gateway = await gatewayWith();
  await isReady(gateway, a);
  const places = hold(a, answers.stream(['to', ' the', ' end']));
  const answer = ask(gateway.url, chat({ stream: true }));
  await places.reached(1);
  put(b);
  await isReady(gateway, a, b);
  put(a, { terminating: true });
  await until(() => states(gateway)[portOf(a)] === 'draining', 'that it drains');
  for (let n = 0; n < 6; n += 1) expect((await ask(gateway.url, chat())).status).toBe(200);
  expect(a.requests).toHaveLength(1);
  places.release();
  const text = await (await answer).text();
  expect(text).toContain(' end');
  expect(text).toContain('[DONE]');
  await isReady(gateway, b);
});

test('the last pod that is deleted leaves at once: a call is told that there is no worker, and nobody is asked', async () => {
  const a = await fake();
  put(a);
  const gateway = await gatewayWith({ admission: { queue_timeout_ms: 200 } });
  await isReady(gateway, a);
  remove(a);
  await until(() => Object.keys(states(gateway)).length === 0, 'no worker');
  const before = a.requests.length;
  expect((await ask(gateway.url, chat())).status).toBeGreaterThanOrEqual(404);
  expect(a.requests).toHaveLength(before);
});

test('another pod at the same address is asked for its models before it gets a call', async () => {
  const a = await fake();
  put(a);
  const gateway = await gatewayWith();
  await isReady(gateway, a);
  put(a, { uid: 'another' });
  await until(() => gateway.log.some(({ event, replaced }) => event === 'source.change' && replaced !== undefined), 'that it is another');
  await isReady(gateway, a);
  const lives = gateway.log.filter(({ event, state }) => event === 'worker.state' && state === 'ready');
  expect(lives).toHaveLength(2);
});

test('the gateway itself among its workers is left out, and told', async () => {
  const a = await fake();
  put(a);
  const gateway = await gatewayWith();
  await isReady(gateway, a);
  cluster.put('self', { ports: [{ name: 'http', port: gateway.port }], pods: [{ uid: 'self', address: '127.0.0.1', ready: true }] });
  await until(() => gateway.log.some(({ event }) => event === 'source.left_out'), 'that it is left out');
  await isReady(gateway, a);
  expect(gateway.log.find(({ event }) => event === 'source.left_out')).toMatchObject({
    msg: expect.stringContaining('names the gateway itself'),
  });
});

test('a reload changes where workers are looked for, and drops nobody who is still named', async () => {
  const [a, b] = [await fake(), await fake()];
  put(a);
  put(b);
  const gateway = await gatewayWith();
  await isReady(gateway, a, b);
  gateway.settings = { workers: [{ url: a.url }] };
  expect(gateway.gateway.reload()).toMatchObject({ ok: true, changed: ['workers', 'discovery.kubernetes.api'], needsRestart: [] });
  await isReady(gateway, a);
  expect(gateway.log.filter(({ event, port }) => event === 'worker.state' && port === portOf(a))).toEqual([]);
  await until(() => api.watches === 0, 'no watch');
  expect(gateway.gateway.status().sources).toEqual([]);
});

test('workers by name: addresses of a DNS server, and service records', async () => {
  const dns: DnsServer = await startDnsServer();
  open.push(dns);
  const [a, b] = [await fake(), await fake()];
  dns.answers['A vllm.test'] = ['127.0.0.1'];
  dns.answers['SRV _http._tcp.test'] = [`10 ${portOf(b)} vllm.test`];
  const gateway = await gatewayWith({
    workers: [{ dns: `vllm.test:${portOf(a)}` }, { dns: '_http._tcp.test' }],
    discovery: { dns: { servers: [dns.address], interval_ms: 100 } },
  });
  await isReady(gateway, a, b);
  expect(gateway.gateway.status().workers.map(({ source }) => source)).toEqual([`dns vllm.test:${portOf(a)}`, 'dns _http._tcp.test']);
  dns.answers['SRV _http._tcp.test'] = 'nxdomain';
  await isReady(gateway, a);
  dns.answers['A vllm.test'] = 'servfail';
  await until(() => gateway.gateway.status().sources?.every(({ answers: isUp }) => isUp === false) === true, 'that both are away');
  expect((await ask(gateway.url, chat())).status).toBe(200);
});

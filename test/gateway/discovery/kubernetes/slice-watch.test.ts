import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ApiServer } from '../../../../scripts/shows/churn/api-server.ts';
import { Cluster, type Pod } from '../../../../scripts/shows/churn/cluster.ts';
import { until } from '../../../support/gateway.ts';
import { watching, type Watching } from './watching.ts';

let cluster: Cluster;
let server: ApiServer;
let watch: Watching;

beforeEach(async () => {
  cluster = new Cluster();
  server = await ApiServer.start(cluster);
});

afterEach(async () => {
  watch[Symbol.dispose]();
  await server.down();
});

function pod(n: number, more: Partial<Pod> = {}): Pod {
  return { uid: `u${n}`, address: `10.0.0.${n}`, ready: true, ...more };
}

const A = '10.0.0.1:8000';
const B = '10.0.0.2:8000';

async function watched(): Promise<void> {
  await until(() => server.watches > 0, 'a watch');
}

describe('as long as all is well', () => {
  test('it lists, watches from there with bookmarks, and follows what comes, changes and goes', async () => {
    cluster.put('one', { pods: [pod(1)] });
    watch = watching(server);
    await watch.shows(A);
    await watched();
    const [list, opened] = server.asked;
    expect(Object.fromEntries(list!.query)).toEqual({ labelSelector: 'kubernetes.io/service-name=vllm' });
    expect(Object.fromEntries(opened!.query)).toEqual({
      labelSelector: 'kubernetes.io/service-name=vllm',
      watch: 'true',
      allowWatchBookmarks: 'true',
      timeoutSeconds: '290',
      resourceVersion: '1001',
    });
    cluster.put('one', { pods: [pod(1), pod(2)] });
    await watch.shows(A, B);
    cluster.put('one', { pods: [pod(1, { ready: false }), pod(2)] });
    await watch.shows(B);
    cluster.put('one', { pods: [pod(1), pod(2, { terminating: true })] });
    await watch.shows(A, `${B} (ending)`);
    cluster.delete('one');
    await watch.shows();
    expect(server.asked.map(({ verb }) => verb)).toEqual(['list', 'watch']);
    expect(watch.states).toEqual(['up']);
  });

  test('slices of one service are one set, and another service is none of it', async () => {
    cluster.put('one', { pods: [pod(1)] });
    cluster.put('two', { pods: [pod(2)] });
    cluster.put('other', { service: 'other', pods: [pod(3)] });
    watch = watching(server);
    await watch.shows(A, B);
    await watched();
    cluster.delete('one');
    await watch.shows(B);
  });

  test('a slice whose labels change so that nobody picks it is gone', async () => {
    cluster.put('one', { pods: [pod(1)], labels: { tier: 'gold' } });
    watch = watching(server, { selector: 'tier=gold' });
    await watch.shows(A);
    await watched();
    cluster.put('one', { pods: [pod(1)], labels: { tier: 'tin' } });
    await watch.shows();
  });

  test('an empty answer is an answer: nobody is there', async () => {
    cluster.put('one', { pods: [] });
    watch = watching(server);
    await watch.isTold('up');
    expect(watch.found()).toEqual([]);
    expect(watch.tellings()).toBe(1);
  });

  test('bookmarks change nothing', async () => {
    cluster.put('one', { pods: [pod(1)] });
    watch = watching(server);
    await watch.shows(A);
    await watched();
    server.bookmark();
    cluster.put('one', { pods: [pod(2)] });
    await watch.shows(B);
    expect(watch.tellings()).toBe(2);
  });
});

describe('whatever ends a watch, what was missed meanwhile is found by listing again', () => {
  test.each([
    ['its end in good order', () => server.end('well')],
    ['a connection that is cut', () => server.end('cut')],
    ['a line that is cut in the middle', () => server.end('mid-line')],
    ['410: the version is forgotten', () => server.expire()],
    ['what is no JSON', () => server.say('<html>502 Bad Gateway</html>\n')],
    ['an event of an unknown kind', () => server.say('{"type":"PARTY","object":{}}\n')],
    ['a line that never ends', () => server.say('x'.repeat(4_400_000))],
    ['an event of no slice', () => server.say('{"type":"MODIFIED","object":{"metadata":{"name":"one"}}}\n')],
  ])('%s', async (_what, end) => {
    cluster.put('one', { pods: [pod(1)] });
    watch = watching(server);
    await watch.shows(A);
    await watched();
    server.faults.silent = true;
    cluster.delete('one');
    cluster.put('two', { pods: [pod(2)] });
    end();
    server.faults.silent = false;
    await watch.shows(B);
    // It follows again.
    await until(() => server.asked.filter(({ verb }) => verb === 'watch').length > 1 && server.watches > 0, 'another watch');
    cluster.put('two', { pods: [pod(1), pod(2)] });
    await watch.shows(A, B);
  });

  test('a server that is gone for a while: nobody is dropped, and who left meanwhile is dropped when it is back', async () => {
    cluster.put('one', { pods: [pod(1), pod(2)] });
    watch = watching(server);
    await watch.shows(A, B);
    await watched();
    await server.down();
    cluster.put('one', { pods: [pod(2)] });
    await watch.isTold(/the API server cannot be reached/);
    expect(watch.found()).toEqual([A, B]);
    await server.up();
    await watch.shows(B);
    await until(() => watch.states.at(-1) === 'up', 'up again');
  });

  test('a list of what is no slice drops nobody', async () => {
    cluster.put('one', { pods: [pod(1)] });
    watch = watching(server);
    await watch.shows(A);
    await watched();
    const items = [null, 5, {}, 'x'];
    const body = JSON.stringify({
      kind: 'EndpointSliceList',
      apiVersion: 'discovery.k8s.io/v1',
      metadata: { resourceVersion: '1' },
      items,
    });
    for (let times = 0; times < 3; times += 1) server.faults.next.push({ verb: 'list', status: 200, body });
    server.end('cut');
    await watch.isTold(/is not an EndpointSlice/);
    expect(watch.found()).toEqual([A]);
    await until(() => watch.states.at(-1) === 'up', 'up again');
    expect(watch.found()).toEqual([A]);
  });

  test('a connection that is dead without a word is given up', async () => {
    cluster.put('one', { pods: [pod(1)] });
    watch = watching(server, { idleMs: () => 300 });
    await watch.shows(A);
    await watched();
    server.faults.silent = true;
    cluster.put('one', { pods: [pod(2)] });
    await watch.shows(B);
  });

  test.each([
    ['429 with Retry-After', { status: 429, retryAfter: '0' }],
    ['500', { status: 500 }],
    ['504 Too large resource version', { status: 504 }],
    ['a body that is no JSON', { status: 200, body: 'nothing of use' }],
    ['a list of something else', { status: 200, body: '{"kind":"PodList","metadata":{"resourceVersion":"1"},"items":[]}' }],
    ['a list without a version', { status: 200, body: '{"kind":"EndpointSliceList","items":[]}' }],
    ['nothing at all', { status: 200, body: '' }],
  ])('%s in place of a list leaves all as it was', async (_what, answer) => {
    cluster.put('one', { pods: [pod(1)] });
    watch = watching(server);
    await watch.shows(A);
    await watched();
    server.faults.next.push({ verb: 'list', ...answer }, { verb: 'list', ...answer });
    server.end('well');
    await until(() => server.faults.next.length === 0 && server.watches > 0, 'a watch after all that');
    expect(watch.found()).toEqual([A]);
    expect(watch.tellings()).toBe(2);
  });

  test('a version that a lagging server does not know yet is not asked for a second time', async () => {
    cluster.put('one', { pods: [pod(1)] });
    const message = 'Timeout: Too large resource version: 9000, current: 1001';
    server.faults.next.push({ verb: 'watch', status: 504, body: JSON.stringify({ kind: 'Status', code: 504, message }) });
    watch = watching(server);
    await watched();
    expect(server.asked.map(({ verb }) => verb)).toEqual(['list', 'watch', 'list', 'watch']);
    for (const { verb, query } of server.asked) expect(query.has('resourceVersion')).toBe(verb === 'watch');
  });
});

describe('what is wrong is told', () => {
  test('a right that is missing, with the right that it takes', async () => {
    server.faults.next.push({ verb: 'list', status: 403 });
    watch = watching(server);
    await watch.isTold(/no right to list EndpointSlices.*get, list and watch of endpointslices/);
    await watch.isTold('up');
  });

  test('who may list and not watch is not up, and keeps to the list all the same', async () => {
    cluster.put('one', { pods: [pod(1)] });
    server.faults.next.push(...Array.from({ length: 50 }, () => ({ verb: 'watch', status: 403 }) as const));
    watch = watching(server);
    await watch.shows(A);
    cluster.put('one', { pods: [pod(2)] });
    await watch.shows(B);
    expect(watch.states.every((state) => /no right to watch/.test(state))).toBe(true);
  });

  test('a token that was changed is read again at once', async () => {
    let token = 'old';
    let reads = 0;
    const readFile = (path: string): Uint8Array | null => {
      reads += 1;
      return path === '/token' ? Buffer.from(`${token}\n`) : null;
    };
    server.faults.token = 'old';
    cluster.put('one', { pods: [pod(1)] });
    watch = watching(server, { place: { tokenFile: '/token' }, readFile });
    await watch.shows(A);
    await watched();
    expect(reads).toBe(1);
    server.faults.token = 'new';
    token = 'new';
    server.end('cut');
    await until(() => reads === 2 && server.watches > 0, 'a watch with the new token');
    cluster.put('one', { pods: [pod(2)] });
    await watch.shows(B);
  });

  test.each([
    ['no token', { place: { tokenFile: '/token' } }, /\/token, where a token should be .*, is not there/],
    ['an empty token', { place: { tokenFile: '/token' }, readFile: () => Buffer.from(' \n') }, /\/token holds no token/],
    ['no certificates', { place: { caFile: '/ca' } }, /\/ca, where certificates should be .*, is not there/],
  ])('%s', async (_what, wish, message) => {
    watch = watching(server, wish);
    await watch.isTold(message);
    expect(server.asked).toEqual([]);
  });

  test('somebody else who answers there', async () => {
    server.faults.next.push({ verb: 'list', status: 404 });
    watch = watching(server);
    await watch.isTold(/check that discovery.kubernetes.api is the API server/);
  });

  test('an end of the watch every few minutes is nothing to tell', async () => {
    cluster.put('one', { pods: [pod(1)] });
    watch = watching(server);
    await watched();
    for (let n = 1; n < 4; n += 1) {
      server.end('well');
      await until(() => server.watches > 0 && watch.states.length > n, 'the next watch');
    }
    expect(new Set(watch.states)).toEqual(new Set(['up']));
  });
});

test('a server that ends every watch at once is asked less and less often', async () => {
  cluster.put('one', { pods: [pod(1)] });
  server.faults.next.push(...Array.from({ length: 400 }, () => ({ verb: 'watch', status: 200, body: '' }) as const));
  const started = performance.now();
  watch = watching(server, { backOff: { firstMs: 40, longestMs: 10_000 } });
  await until(() => server.asked.filter(({ verb }) => verb === 'list').length >= 4, 'four lists');
  // 20 to 60, 40 to 120 and 80 to 240 ms: at least what chance may make of the three waits.
  expect(performance.now() - started).toBeGreaterThan(135);
});

test('events that come out of order, and deletions before what they delete, end in what is so', async () => {
  cluster.put('one', { pods: [pod(1)] });
  watch = watching(server);
  await watch.shows(A);
  await watched();
  server.faults.swapped = true;
  cluster.put('one', { pods: [pod(2)] });
  cluster.put('one', { pods: [pod(3)] });
  await watch.shows('10.0.0.3:8000');
  cluster.put('two', { pods: [pod(4)] });
  cluster.delete('two');
  cluster.put('one', { pods: [pod(5)] });
  cluster.put('one', { pods: [pod(6)] });
  await watch.shows('10.0.0.6:8000');
});

test('ten thousand endpoints are read', async () => {
  for (let slice = 0; slice < 100; slice += 1) {
    const pods = Array.from({ length: 100 }, (_, n) => pod(1, { uid: `${slice}-${n}`, address: `10.1.${slice}.${n}` }));
    cluster.put(`slice-${slice}`, { pods });
  }
  watch = watching(server);
  await until(() => watch.found().length === 10_000, 'all of them', 20_000);
});

test('a closed watch tells nothing, and leaves no connection', async () => {
  cluster.put('one', { pods: [pod(1)] });
  watch = watching(server);
  await watched();
  watch[Symbol.dispose]();
  await until(() => server.watches === 0, 'no watch');
  cluster.put('one', { pods: [pod(2)] });
  server.end('well');
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(watch.found()).toEqual([A]);
  expect(server.asked.map(({ verb }) => verb)).toEqual(['list', 'watch']);
});

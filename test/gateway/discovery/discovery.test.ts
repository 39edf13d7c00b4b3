import { afterEach, beforeEach, expect, test } from 'vitest';
import { settingsSchema, type SettingsInput } from '../../../gateway/config/schema/settings.ts';
import { systemClock } from '../../../gateway/core/clock.ts';
import { systemRandom } from '../../../gateway/core/random.ts';
import { askSources } from '../../../gateway/discovery/ask-sources.ts';
import { type Discovery, startDiscovery } from '../../../gateway/discovery/discovery.ts';
import type { Found } from '../../../gateway/core/finding/found.ts';
import type { WorkerListing } from '../../../gateway/workers/worker-listing.ts';
import { ApiServer } from '../../../scripts/shows/churn/api-server.ts';
import { Cluster, NAMESPACE } from '../../../scripts/shows/churn/cluster.ts';
import { until } from '../../support/gateway.ts';
import { RecordedEvents } from '../../support/recorded-events.ts';

let cluster: Cluster;
let server: ApiServer;
let discovery: Discovery | null = null;

beforeEach(async () => {
  cluster = new Cluster();
  server = await ApiServer.start(cluster);
});

afterEach(async () => {
  discovery?.close();
  await server.down();
});

const KUBERNETES = { kubernetes: { service: 'vllm' } };

function place() {
  return { url: server.url, tokenFile: null, caFile: null, namespace: NAMESPACE };
}

function put(service: string, ...hosts: readonly string[]): void {
  cluster.put(service, { service, pods: hosts.map((address) => ({ uid: address, address, ready: true })) });
}

function scene(workers: NonNullable<SettingsInput['workers']>, before?: ReadonlyMap<string, Found>) {
  const events = new RecordedEvents();
  let settings = settingsSchema.parse({ workers });
  let told: readonly WorkerListing[] = [];
  discovery = startDiscovery({
    ...{ clock: systemClock, random: systemRandom, events, readFile: () => null },
    settings: () => settings,
    kubernetes: place,
    isOwn: (host) => host === '10.9.9.9',
    onListings: (listings) => (told = listings),
    ...(before && { before }),
  });
  const running = discovery;
  return {
    events,
    discovery: running,
    /** Until these are listed. */
    lists: (...hosts: readonly string[]) =>
      until(
        () => told.map(({ url }) => new URL(url).hostname).join() === hosts.join(),
        `${hosts.join()} are listed, not ${told.map(({ url }) => url).join()}`,
      ),
    set(next: NonNullable<SettingsInput['workers']>) {
      settings = settingsSchema.parse({ workers: next });
      running.configure();
    },
  };
}

test('several places, and servers with a url, are one list', async () => {
  put('vllm', '10.0.0.2', '10.0.0.1');
  put('other', '10.0.1.1', '10.0.0.1');
  const { events, discovery: found, lists } = scene([{ url: 'http://10.1.1.1' }, KUBERNETES, { kubernetes: { service: 'other' } }]);
  expect(found.listings().map(({ url }) => url)).toEqual(['http://10.1.1.1']);
  await lists('10.1.1.1', '10.0.0.1', '10.0.0.2', '10.0.1.1');
  await until(() => found.sources().every(({ isUp }) => isUp === true), 'both are up');
  expect(found.sources()).toEqual([
    { source: `kubernetes ${NAMESPACE}/vllm`, isUp: true, message: null, workers: 2, ending: 0 },
    { source: `kubernetes ${NAMESPACE}/other`, isUp: true, message: null, workers: 1, ending: 0 },
  ]);
  // Which of the two answers first is chance: whoever is named twice is told of, and one has it.
  expect(events.of('findingsLeftOut').flatMap(([, sentences]) => sentences)).toEqual([expect.stringContaining('as well as')]);
  put('vllm', '10.0.0.2');
  await lists('10.1.1.1', '10.0.0.2', '10.0.0.1', '10.0.1.1');
});

test('what is left out is told once as long as it holds, and again when it comes back', async () => {
  put('vllm', '10.0.0.1', '10.9.9.9');
  const { events, lists } = scene([KUBERNETES]);
  await lists('10.0.0.1');
  put('vllm', '10.0.0.1', '10.0.0.2', '10.9.9.9');
  await lists('10.0.0.1', '10.0.0.2');
  expect(events.count('findingsLeftOut')).toBe(1);
  put('vllm', '10.0.0.1');
  await lists('10.0.0.1');
  put('vllm', '10.0.0.2', '10.9.9.9');
  await lists('10.0.0.2');
  expect(events.count('findingsLeftOut')).toBe(2);
});

test('new settings leave the watches of places alone that are as they were, and end the others', async () => {
  put('vllm', '10.0.0.1');
  put('other', '10.0.1.1');
  const { set, lists, discovery: found } = scene([KUBERNETES, { kubernetes: { service: 'other' } }]);
  await lists('10.0.0.1', '10.0.1.1');
  await until(() => server.watches === 2, 'two watches');
  const asked = server.asked.length;
  set([{ ...KUBERNETES, max_num_seqs: 7 }]);
  expect(found.listings()).toMatchObject([{ url: 'http://10.0.0.1:8000', maxNumSeqs: 7 }]);
  await until(() => server.watches === 1, 'one watch');
  expect(server.asked).toHaveLength(asked);
});

test('an entry that is changed, or exchanged for another, drops nobody before the new one has answered', async () => {
  put('vllm', '10.0.0.1');
  put('other', '10.0.1.1');
  const { set, lists, discovery: found } = scene([KUBERNETES, { kubernetes: { service: 'other' } }]);
  await lists('10.0.0.1', '10.0.1.1');
  const urls = (): string[] => found.listings().map(({ url }) => url);
  const all = ['http://10.0.0.1:8000', 'http://10.0.1.1:8000'];
  await server.down();
  // The server is away, and what it said stands for whoever asks for the same in other words, one after another.
  set([{ kubernetes: { service: 'vllm', port: 'http' } }, { kubernetes: { service: 'other' } }]);
  expect(urls()).toEqual(all);
  set([{ kubernetes: { selector: 'kubernetes.io/service-name=vllm' } }, { kubernetes: { service: 'other' } }]);
  expect(urls()).toEqual(all);
  // The nearest stands in, and a place that is not named any more has no heir.
  set([{ kubernetes: { service: 'other', port: 8000 } }]);
  expect(urls()).toEqual(['http://10.0.1.1:8000']);
  put('other', '10.0.1.2');
  await server.up();
  await lists('10.0.1.2');
});

test('each change of a source is told once', async () => {
  put('vllm', '10.0.0.1');
  const { events, lists, discovery: found } = scene([KUBERNETES]);
  await lists('10.0.0.1');
  await until(() => events.count('sourceChanged') === 1, 'that it is up');
  await found.heard();
  await server.down();
  await until(() => found.sources()[0]!.isUp === false, 'that it is away');
  await server.up();
  await until(() => found.sources()[0]!.isUp === true, 'that it is up again');
  expect(events.of('sourceChanged').map(([{ isUp }]) => isUp)).toEqual([true, false, true]);
  expect(events.of('workersFound')).toEqual([[expect.objectContaining({ joined: ['http://10.0.0.1:8000'] })]]);
});

test('all have been heard of when each has named its workers, or said why it cannot; without any there is nothing to hear', async () => {
  await scene([{ url: 'http://10.1.1.1' }]).discovery.heard();
  put('vllm', '10.0.0.1');
  const { discovery: found } = scene([KUBERNETES, { dns: 'nobody.invalid:8000' }]);
  expect(found.sources().map(({ isUp }) => isUp)).toEqual([null, null]);
  await found.heard();
  expect(found.sources()[1]!.isUp).toBe(false);
  expect(found.listings()).toHaveLength(1);
});

test('what another process had found stands until a source has been heard of, which may be long', async () => {
  put('vllm', '10.0.0.1', '10.0.0.2');
  const { discovery: first, lists } = scene([KUBERNETES]);
  await lists('10.0.0.1', '10.0.0.2');
  const findings = new Map(first.findings());
  first.close();
  await server.down();
  const { discovery: later, lists: laterLists } = scene([KUBERNETES], findings);
  await later.heard();
  expect(later.listings()).toEqual(first.listings());
  await until(() => later.sources()[0]!.isUp === false, 'that it is away');
  expect(later.listings()).toEqual(first.listings());
  put('vllm', '10.0.0.2');
  await server.up();
  await laterLists('10.0.0.2');
});

test('asked once, each place says how many it names, or what is wrong', async () => {
  put('vllm', '10.0.0.1', '10.0.0.2');
  server.faults.next.push({ verb: 'list', status: 403 });
  const ask = (workers: NonNullable<SettingsInput['workers']>) =>
    askSources({ clock: systemClock, settings: settingsSchema.parse({ workers }), kubernetes: place(), readFile: () => null });
  expect((await ask([KUBERNETES])).sources).toMatchObject([{ isUp: false, message: expect.stringContaining('no right to list') }]);
  const found = await ask([{ url: 'http://a:1' }, KUBERNETES]);
  expect(found.sources).toMatchObject([{ isUp: true, workers: 2 }]);
  expect(found.listings.map(({ url }) => url)).toEqual(['http://a:1', 'http://10.0.0.1:8000', 'http://10.0.0.2:8000']);
  expect((await ask([{ url: 'http://a:1' }])).sources).toEqual([]);
});

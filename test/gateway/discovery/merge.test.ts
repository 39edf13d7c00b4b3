import { describe, expect, test } from 'vitest';
import { settingsSchema, type SettingsInput } from '../../../gateway/config/schema/settings.ts';
import type { FoundWorker } from '../../../gateway/core/finding/found.ts';
import { changesBetween } from '../../../gateway/discovery/changes.ts';
import { merge, type MergeEntry, MOST_WORKERS } from '../../../gateway/discovery/merge.ts';

type Entry = NonNullable<SettingsInput['workers']>[number];

function worker(host: string, more: Partial<FoundWorker> = {}): FoundWorker {
  return { host, port: 8000, uid: `uid of ${host}`, isEnding: false, ...more };
}

function entry(said: Entry, source: string | null = null, found: readonly FoundWorker[] = []): MergeEntry {
  return { entry: settingsSchema.parse({ workers: [said] }).workers[0]!, source, scheme: 'http', found };
}

const K8S = { kubernetes: { service: 'vllm' } };
const NOBODY = { isOwn: () => false, taken: new Set<string>() };

function urls(entries: readonly MergeEntry[], options = NOBODY): string[] {
  return merge(entries, options).listings.map(({ url }) => url);
}

test('what is found stands where its entry does, by address, with what the entry says of all', () => {
  const { listings, leftOut } = merge(
    [
      entry({ url: 'http://first' }),
      entry({ ...K8S, api_key: 'k', models: ['m'], max_num_seqs: 8, group: 'canary' }, 'kubernetes a/vllm', [
        worker('10.0.0.2'),
        worker('10.0.0.1', { isEnding: true }),
      ]),
      entry({ url: 'http://last:9000' }),
    ],
    NOBODY,
  );
  expect(listings.map(({ url }) => url)).toEqual(['http://first', 'http://10.0.0.1:8000', 'http://10.0.0.2:8000', 'http://last:9000']);
  expect(listings[1]).toEqual({
    url: 'http://10.0.0.1:8000',
    apiKey: 'k',
    engine: 'auto',
    models: ['m'],
    maxNumSeqs: 8,
    scheduling: 'fcfs',
    group: 'canary',
    source: 'kubernetes a/vllm',
    uid: 'uid of 10.0.0.1',
    isEnding: true,
  });
  expect(listings[0]).not.toHaveProperty('source');
  expect([...leftOut]).toEqual([]);
});

test('an address of IPv6 stands in brackets', () => {
  expect(urls([entry(K8S, 's', [worker('fd00::1')])])).toEqual(['http://[fd00::1]:8000']);
});

describe('what is named twice is taken once, as the first says, and told', () => {
  test.each([
    ['by a url, and found', [entry({ url: 'http://10.0.0.1:8000' }), entry(K8S, 's', [worker('10.0.0.1')])], undefined],
    ['by two sources', [entry(K8S, 'r', [worker('10.0.0.1')]), entry(K8S, 's', [worker('10.0.0.1')])], 'r'],
  ])('%s', (_what, entries, source) => {
    const { listings, leftOut } = merge(entries, NOBODY);
    expect(listings).toHaveLength(1);
    expect(listings[0]!.source).toBe(source);
    expect(leftOut.get('s')).toEqual([expect.stringMatching(/^names 10\.0\.0\.1:8000 as well as .* does: it is taken once/)]);
  });
});

test('the gateway itself, and a cloud’s metadata service, are left out and told', () => {
  const isOwn = (host: string, port: number): boolean => host === '10.0.0.9' && port === 8000;
  const { listings, leftOut } = merge([entry(K8S, 's', [worker('10.0.0.9'), worker('169.254.169.254'), worker('10.0.0.1')])], {
    ...NOBODY,
    isOwn,
  });
  expect(listings.map(({ url }) => url)).toEqual(['http://10.0.0.1:8000']);
  expect(leftOut.get('s')).toEqual(['names the gateway itself (10.0.0.9:8000)', expect.stringContaining('metadata service')]);
});

test('of ten thousand there are as many as a gateway takes: those it has stay, and the others are told of', () => {
  const many = Array.from({ length: 10_000 }, (_, n) => worker(`10.1.${Math.floor(n / 250)}.${n % 250}`));
  const taken = new Set(['http://10.1.39.249:8000', 'http://10.1.39.248:8000']);
  const { listings, leftOut } = merge([entry(K8S, 's', many), entry({ url: 'http://last' })], { ...NOBODY, taken });
  expect(listings).toHaveLength(MOST_WORKERS);
  const kept = new Set(listings.map(({ url }) => url));
  expect(kept).toContain('http://last');
  for (const url of taken) expect(kept).toContain(url);
  expect(leftOut.get('s')).toEqual([
    `names ${10_001 - MOST_WORKERS} workers more than the ${MOST_WORKERS} that a gateway takes: they get no calls`,
  ]);
});

test('what has changed is told by source: who joined, left, ends, or is another at the same address', () => {
  const list = (found: readonly FoundWorker[]) => merge([entry(K8S, 's', found), entry({ url: 'http://fixed' })], NOBODY).listings;
  const before = list(
    [worker('a.1'), worker('b.1'), worker('c.1'), worker('d.1')].map((each) => ({ ...each, host: each.host.replace('.1', '') })),
  );
  const after = list(
    [worker('a'), worker('b', { uid: 'another' }), worker('c', { isEnding: true, uid: 'uid of c.1' }), worker('e')].map((each) =>
      each.host === 'a' ? { ...each, uid: 'uid of a.1' } : each,
    ),
  );
  expect(changesBetween(before, after)).toEqual([
    { source: 's', joined: ['http://e:8000'], left: ['http://d:8000'], ending: ['http://c:8000'], replaced: ['http://b:8000'] },
  ]);
  expect(changesBetween(after, after)).toEqual([]);
});

import fc from 'fast-check';
import { test } from 'vitest';
import { ApiServer } from '../../../../scripts/shows/churn/api-server.ts';
import { Cluster, type Pod } from '../../../../scripts/shows/churn/cluster.ts';
import { histories } from '../../../support/histories.ts';
import { truth, watching } from './watching.ts';

type Step =
  | { readonly kind: 'put'; readonly slice: string; readonly pods: readonly Pod[] }
  | { readonly kind: 'delete'; readonly slice: string }
  | { readonly kind: 'end'; readonly how: 'well' | 'cut' | 'mid-line' }
  | { readonly kind: 'answer'; readonly verb: 'list' | 'watch'; readonly status: number; readonly body?: string }
  | { readonly kind: 'set'; readonly fault: 'silent' | 'swapped' | 'losesDeletions'; readonly on: boolean }
  | { readonly kind: 'expire' | 'bookmark' | 'compact' | 'garbage' | 'down' | 'up' | 'rest' };

const pods = fc.uniqueArray(
  fc.record({
    uid: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    address: fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5'),
    ready: fc.boolean(),
    terminating: fc.boolean(),
  }),
  // A pod has one address, and an address one pod.
  { selector: ({ address }) => address, maxLength: 4 },
);
const slice = fc.constantFrom('one', 'two');

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('put' as const), slice, pods }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), slice }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('end' as const), how: fc.constantFrom('well', 'cut', 'mid-line') }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('answer' as const),
      verb: fc.constantFrom('list', 'watch'),
      status: fc.constantFrom(200, 401, 403, 410, 429, 500, 504),
      body: fc.constantFrom('', '{', '{"kind":"PodList"}', '[]'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('set' as const),
      fault: fc.constantFrom('silent', 'swapped', 'losesDeletions'),
      on: fc.boolean(),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('expire', 'bookmark', 'compact', 'garbage', 'down', 'up', 'rest') }) },
) as fc.Arbitrary<Step>;

async function take(made: Step, cluster: Cluster, server: ApiServer): Promise<void> {
  switch (made.kind) {
    case 'put': {
      // One slice has its pods for itself: an endpoint that is in two slices says the same in both.
      const own = made.pods.map((pod) => ({
        ...pod,
        uid: `${made.slice}-${pod.address}`,
        address: pod.address.replace('0.0', made.slice === 'one' ? '0.1' : '0.2'),
      }));
      return cluster.put(made.slice, { pods: own });
    }
    case 'delete':
      return cluster.delete(made.slice);
    case 'end':
      return server.end(made.how);
    case 'answer':
      return void server.faults.next.push(made);
    case 'set':
      server.faults[made.fault] = made.on;
      return;
    case 'expire':
      return server.expire();
    case 'bookmark':
      return server.bookmark();
    case 'compact':
      return cluster.compact();
    case 'garbage':
      return server.say('{"type":"ADDED","object":{"metadata":\n');
    case 'down':
      return server.down();
    case 'up':
      return server.up();
    case 'rest':
      return new Promise((resolve) => setTimeout(resolve, 4));
  }
}

test('whatever happens, and whatever goes wrong: when it is over the set is the server’s', { timeout: 300_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
      const cluster = new Cluster();
      await using server = await ApiServer.start(cluster);
      using watch = watching(server, { idleMs: () => 150, backOff: { firstMs: 2, longestMs: 15 } });
      for (const made of steps) await take(made, cluster, server);
      Object.assign(server.faults, { silent: false, swapped: false, losesDeletions: false });
      server.faults.next.length = 0;
      await server.up();
      await watch.shows(...truth(cluster));
    }),
    { numRuns: histories(150), endOnFailure: true },
  );
});

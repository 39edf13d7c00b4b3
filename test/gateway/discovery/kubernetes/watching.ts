import type { Found, SourceListener } from '../../../../gateway/core/finding/found.ts';
import { systemClock } from '../../../../gateway/core/clock.ts';
import { systemRandom } from '../../../../gateway/core/random.ts';
import { KubernetesApi, type KubernetesPlace, type ReadFile } from '../../../../gateway/discovery/kubernetes/api.ts';
import { SliceWatch, type SliceWatchOptions } from '../../../../gateway/discovery/kubernetes/slice-watch.ts';
import type { ApiServer } from '../../../../scripts/shows/churn/api-server.ts';
import { type Cluster, NAMESPACE } from '../../../../scripts/shows/churn/cluster.ts';
import { until } from '../../../support/gateway.ts';

export interface Watching extends Disposable {
  /** The addresses found last, in order: `10.0.0.1:8000`, with `(ending)` where that is so. */
  readonly found: () => string[];
  readonly leftOut: () => readonly string[];
  /** "up", or what is wrong, in order. */
  readonly states: string[];
  /** How often anything was found. */
  readonly tellings: () => number;
  /** Until exactly these are found. */
  shows(...addresses: readonly string[]): Promise<void>;
  isTold(...states: readonly (string | RegExp)[]): Promise<void>;
}

interface Wish extends Partial<Pick<SliceWatchOptions, 'port' | 'selector' | 'idleMs' | 'backOff'>> {
  readonly place?: Partial<KubernetesPlace>;
  readonly readFile?: ReadFile;
}

const QUICK = { firstMs: 5, longestMs: 40 };

/** A watch of a pretended API server, over real connections, that waits milliseconds where another waits seconds. */
export function watching(server: Pick<ApiServer, 'url'>, wish: Wish = {}): Watching {
  const states: string[] = [];
  let found: Found = { workers: [], leftOut: [] };
  let tellings = 0;
  const listener: SourceListener = {
    found(now) {
      found = now;
      tellings += 1;
    },
    up: () => void states.push('up'),
    away: (message) => void states.push(message),
  };
  const place = { url: server.url, tokenFile: null, caFile: null, namespace: NAMESPACE, ...wish.place };
  const api = new KubernetesApi(place, wish.readFile ?? (() => null), systemClock);
  const watch = new SliceWatch({
    ...{ clock: systemClock, random: systemRandom, api, namespace: NAMESPACE, listener },
    ...{ selector: 'kubernetes.io/service-name=vllm', port: null, idleMs: () => 60_000, backOff: QUICK },
    ...wish,
  });
  const shown = (): string[] => found.workers.map(({ host, port, isEnding }) => `${host}:${port}${isEnding ? ' (ending)' : ''}`).toSorted();
  return {
    found: shown,
    leftOut: () => found.leftOut,
    states,
    tellings: () => tellings,
    async shows(...addresses) {
      const expected = JSON.stringify(addresses.toSorted());
      await until(() => JSON.stringify(shown()) === expected, `${expected}, and not ${JSON.stringify(shown())}`, 20_000).catch(
        (error: unknown) => {
          throw new Error(`${(error as Error).message}; now ${JSON.stringify(shown())}, ${states.join(' | ')}`);
        },
      );
    },
    async isTold(...expected) {
      await until(
        () => expected.every((each) => states.some((state) => (typeof each === 'string' ? state === each : each.test(state)))),
        `the states ${expected.join(', ')}`,
        20_000,
      ).catch((error: unknown) => {
        throw new Error(`${(error as Error).message}; now ${states.join(' | ')}`);
      });
    },
    [Symbol.dispose]: () => watch.close(),
  };
}

/** What the cluster really has behind the service `vllm`: what a watch is to show when nothing happens any more. */
export function truth(cluster: Cluster): string[] {
  const shown = new Map<string, string>();
  for (const slice of cluster.all()) {
    if (slice.metadata?.labels?.['kubernetes.io/service-name'] !== 'vllm') continue;
    for (const { addresses, conditions } of slice.endpoints ?? []) {
      const [address] = addresses;
      if (address === undefined) continue;
      if (conditions?.terminating) shown.set(address, `${address}:8000 (ending)`);
      else if (conditions?.ready) shown.set(address, `${address}:8000`);
    }
  }
  return [...shown.values()].toSorted();
}

import { isIP } from 'node:net';
import type { Found, FoundWorker } from '../../core/finding/found.ts';
import type { Slice, SliceEndpoint } from './slice.ts';

/** One pod, as one or several slices have it. */
interface Seen {
  readonly slice: Slice;
  readonly endpoint: SliceEndpoint;
  readonly port: number;
}

/**
 * The workers that slices name together. `port`: by its name or number; null: the only one that they have. A pod is one worker, however many
 * slices have it: those of two services, of both address families, or an old and a new one while pods move between slices.
 */
export function workersOf(slices: Iterable<Slice>, port: string | number | null): Found {
  const pods = new Map<string, Seen>();
  const leftOut = new Set<string>();
  for (const slice of slices) {
    if (slice.endpoints.length === 0) continue;
    const number = portOf(slice, port);
    if (typeof number === 'string') {
      leftOut.add(number);
      continue;
    }
    for (const endpoint of slice.endpoints) {
      if (isIP(endpoint.address) !== slice.family) {
        leftOut.add(`EndpointSlice ${slice.name} has an endpoint whose address is none of IPv${slice.family}`);
        continue;
      }
      const key = `${endpoint.uid ?? endpoint.address}:${number}`;
      const known = pods.get(key);
      const seen = { slice, endpoint, port: number };
      pods.set(key, known ? better(known, seen) : seen);
    }
  }
  const byAddress = new Map<string, FoundWorker>();
  for (const { endpoint, port: number } of pods.values()) {
    if (!endpoint.isTerminating && !endpoint.isReady) continue;
    const worker = { host: endpoint.address, port: number, uid: endpoint.uid, isEnding: endpoint.isTerminating };
    const key = `${worker.host} ${number}`;
    const other = byAddress.get(key);
    // An address that was given to another pod already: whoever is about to end there has gone.
    if (!other || (other.isEnding && !worker.isEnding)) byAddress.set(key, worker);
  }
  return { workers: [...byAddress.values()], leftOut: [...leftOut] };
}

/** Of two sights of one pod: who says that it ends is right, since no pod comes back from that; then who says that it is ready; then IPv4. */
function better(a: Seen, b: Seen): Seen {
  const rank = ({ slice, endpoint }: Seen): number =>
    (endpoint.isTerminating ? 4 : 0) + (endpoint.isReady ? 2 : 0) + (slice.family === 4 ? 1 : 0);
  const [first, second] = rank(b) > rank(a) ? [b, a] : [a, b];
  if (first.slice.family === 4 || second.slice.family === 6) return first;
  // Its state as the one says it, at the address that the other has: a worker must not change its address because it ends.
  return { ...second, endpoint: { ...first.endpoint, address: second.endpoint.address } };
}

/** The port that is meant, or what is wrong. */
function portOf({ name, ports }: Slice, wanted: string | number | null): number | string {
  if (ports.length === 0) {
    return typeof wanted === 'number' ? wanted : `EndpointSlice ${name} names no port: write its number as port`;
  }
  const known = ports.map((each) => (each.name === '' ? String(each.port) : `${each.name} (${each.port})`)).join(', ');
  if (wanted === null) {
    return ports.length === 1 ? ports[0]!.port : `EndpointSlice ${name} has several ports, ${known}: write as port which one is meant`;
  }
  const found = ports.find((each) => (typeof wanted === 'number' ? each.port === wanted : each.name === wanted));
  return found ? found.port : `EndpointSlice ${name} has no port ${wanted}; it has ${known}`;
}

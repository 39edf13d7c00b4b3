import { isDeepStrictEqual } from 'node:util';
import type { Settings } from '../config/schema/settings.ts';
import type { NamedWorkers } from './names/look-up.ts';

export type WorkerEntry = Settings['workers'][number];

/** Where workers are looked for, as an entry of `workers` in the settings says it. */
export type Place =
  | {
      readonly kind: 'kubernetes';
      readonly namespace: string;
      /** A label selector of EndpointSlices. */
      readonly selector: string;
      readonly port: string | number | null;
      readonly scheme: 'http' | 'https';
    }
  | ({ readonly kind: 'dns'; readonly scheme: 'http' } & NamedWorkers);

/** What an entry looks for; null for one that names a server by its url. `ownNamespace`: where none is named. */
export function placeOf(entry: WorkerEntry, ownNamespace: string): Place | null {
  const { kubernetes, dns } = entry;
  if (kubernetes !== null) {
    const { namespace, service, selector, port, scheme } = kubernetes;
    const of = selector ?? `kubernetes.io/service-name=${service}`;
    return { kind: 'kubernetes', namespace: namespace ?? ownNamespace, selector: of, port, scheme };
  }
  return dns === null ? null : { kind: 'dns', scheme: 'http', ...namedWorkers(dns) };
}

/** "kubernetes default/vllm", "dns vllm.example:8000": what a place is called in logs, metrics and for people. */
export function sourceName(place: Place): string {
  if (place.kind === 'dns') return `dns ${place.name}${place.port === null ? '' : `:${place.port}`}`;
  const what = place.selector.replace(/^kubernetes\.io\/service-name=/, '');
  return `kubernetes ${place.namespace}/${what}${place.port === null ? '' : `:${place.port}`}`;
}

export function samePlace(a: Place, b: Place): boolean {
  return isDeepStrictEqual(a, b);
}

/** `name:port`, or the name of a service record. */
function namedWorkers(text: string): NamedWorkers {
  const [name = '', port] = text.split(':');
  return { name, port: port === undefined ? null : Number(port) };
}

import type { Clock } from '../core/clock.ts';
import type { FindingSource, SourceListener } from '../core/finding/found.ts';
import type { Random } from '../core/random.ts';
import type { Settings } from '../config/schema/settings.ts';
import type { Place } from './entry.ts';
import { KubernetesApi, type KubernetesPlace, type ReadFile } from './kubernetes/api.ts';
import { SliceWatch } from './kubernetes/slice-watch.ts';
import { lookUp } from './names/look-up.ts';
import { NameWatch } from './names/name-watch.ts';
import { withResolver } from './names/resolve.ts';

interface SourceOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly readFile: ReadFile;
  readonly api: KubernetesPlace;
  readonly means: () => Settings['discovery'];
  readonly listener: SourceListener;
}

/** Begins to watch a place. The listener hears of it later, not before this has returned. */
export function openSource(place: Place, { clock, random, readFile, api, means, listener }: SourceOptions): FindingSource {
  if (place.kind === 'dns') {
    return new NameWatch({
      clock,
      of: place,
      listener,
      intervalMs: () => means().dns.interval_ms,
      look: (of) => withResolver(means().dns.servers, clock, (names) => lookUp(of, names)),
    });
  }
  const { namespace, selector, port } = place;
  const idleMs = (): number => means().kubernetes.idle_ms;
  return new SliceWatch({ clock, random, listener, namespace, selector, port, idleMs, api: new KubernetesApi(api, readFile, clock) });
}

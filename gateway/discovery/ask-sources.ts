import type { Clock } from '../core/clock.ts';
import type { SourceState } from '../core/finding/found.ts';
import { systemRandom } from '../core/random.ts';
import type { Settings } from '../config/schema/settings.ts';
import { startDiscovery } from './discovery.ts';
import type { WorkerListing } from '../workers/worker-listing.ts';
import type { KubernetesPlace, ReadFile } from './kubernetes/api.ts';

interface AskedOptions {
  readonly clock: Clock;
  readonly settings: Pick<Settings, 'workers' | 'discovery'>;
  readonly kubernetes: KubernetesPlace;
  readonly readFile: ReadFile;
}

/** How long all of them may take together. */
const MOST_MS = 6_000;

export interface AskedSources {
  readonly sources: readonly SourceState[];
  /** All workers: those with a url in the settings, and those found. */
  readonly listings: readonly WorkerListing[];
}

/** Asks every place where workers are looked for once: whom it names, or what is wrong. What has not answered in time is not known. */
export function askSources({ clock, settings, kubernetes, readFile }: AskedOptions): Promise<AskedSources> {
  return new Promise((resolve) => {
    const ended = (): void => {
      const asked = { sources: discovery.sources(), listings: discovery.listings() };
      limit.cancel();
      discovery.close();
      resolve(asked);
    };
    const heard = (): void => {
      if (discovery.sources().every(({ isUp }) => isUp !== null)) ended();
    };
    const events = { sourceChanged: heard, workersFound: () => undefined, findingsLeftOut: () => undefined };
    const discovery = startDiscovery({
      ...{ clock, random: systemRandom, events, readFile, settings: () => settings, kubernetes: () => kubernetes },
      isOwn: () => false,
      onListings: () => undefined,
    });
    const limit = clock.after(MOST_MS, ended);
    if (discovery.sources().length === 0) ended();
  });
}

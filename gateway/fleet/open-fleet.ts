import { hostname } from 'node:os';
import type { Clock } from '../core/clock.ts';
import type { WorkerDirectory } from '../core/worker.ts';
import type { Share } from '../policies/capacity/share.ts';
import { Fleet, type Got, type Needs } from './fleet.ts';
import { fleetShare } from './fleet-share.ts';
import type { PlacesStore } from './terms.ts';

interface FleetContext {
  /** Of this gateway, among all. */
  readonly id: string;
  readonly clock: Clock;
  readonly directory: WorkerDirectory;
  readonly settings: () => {
    readonly state: { readonly gateways: 'auto' | number };
    readonly pressure: { readonly scrape_interval_ms: number };
  };
  readonly log: { info(event: string, msg: string, fields?: Record<string, unknown>): unknown };
  /** Several processes are this gateway. */
  readonly kin?:
    | {
        readonly share: Share;
        readonly beginning: { readonly places: Got | null };
        readonly speaks: () => boolean;
        readonly needs: () => Needs | null;
        readonly tell: (word: { readonly kind: 'places'; readonly got: Got }) => void;
      }
    | undefined;
}

export interface OpenFleet {
  readonly share: Share;
  readonly gateways: number;
  /** Calls that this gateway may have at a worker now. */
  most(worker: string): number;
  begin(store: PlacesStore | null): Promise<void>;
  follow(got: Got): void;
  close(): Promise<void>;
}

/** This gateway as one of several that share its workers. */
export function openFleet({ id, clock, directory, settings, log, kin }: FleetContext): OpenFleet {
  const fleet = new Fleet({
    ...{ clock, directory, id, machine: hostname() },
    gateways: () => settings().state.gateways,
    intervalMs: () => settings().pressure.scrape_interval_ms,
    onGateways(count, before) {
      if (before === null && count === 1) return;
      const what = count === 1 ? 'No other gateway shares the workers any more' : `${count} gateways share the workers`;
      log.info('fleet', `${what}.`, { gateways: count });
    },
    ...(kin && { kin: { speaks: kin.speaks, needs: kin.needs, tell: (got) => kin.tell({ kind: 'places', got }) } }),
  });
  if (kin && kin.beginning.places !== null) fleet.follow(kin.beginning.places);
  return {
    share: fleetShare(fleet, kin?.share ?? null),
    get gateways() {
      return fleet.gateways;
    },
    most: (worker) => fleet.most(worker),
    begin: (store) => fleet.begin(store),
    follow: (got) => fleet.follow(got),
    close: () => fleet.close(),
  };
}

import { MAIN_GROUP, UNSAID, type WorkerView } from '../core/worker.ts';
import { modelNamed } from './look.ts';
import type { ListedAddress, WorkerListing } from './worker-listing.ts';

/** A listed worker as its line tells of it, before it has been asked. */
export function firstView(address: ListedAddress, listing: WorkerListing): WorkerView {
  return {
    ...address,
    models: (listing.models ?? []).map(modelNamed),
    state: 'starting',
    ...UNSAID,
    ...toldOf(listing),
    ...(listing.source === undefined ? {} : { source: listing.source }),
    ...(listing.uid == null ? {} : { uid: listing.uid }),
  };
}

/** What is believed of it without asking. */
export function toldOf({ maxNumSeqs, scheduling = 'fcfs', group = MAIN_GROUP }: WorkerListing) {
  return { maxNumSeqs, scheduling, group };
}

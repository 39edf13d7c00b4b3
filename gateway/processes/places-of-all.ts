import { type Settings, supervisorIsOn } from '../config/schema/settings.ts';
import { sharesWorkers } from '../config/schema/state.ts';
import { type Clock, repeat, type Timer } from '../core/clock.ts';
import { idMaker } from '../core/secrets/id-maker.ts';
import type { Got } from '../fleet/fleet.ts';
import { workerOf } from './box-share.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { KeeperWord, Needed } from './words.ts';

/** How soon whoever speaks for all hears what they need. */
const NEEDED_MS = 50;

/** What the processes of a gateway must know of each other where other gateways share its workers. */
export class PlacesOfAll {
  /** What those know this one by. */
  readonly gateway = idMaker()();
  /** What this gateway has, as whoever speaks for it said last. */
  got: Got | null = null;
  readonly #timer: Timer | null;

  constructor(clock: Clock, settings: Settings, ledger: Ledger, tell: (word: KeeperWord) => void) {
    const isShared = sharesWorkers(settings.state) && !supervisorIsOn(settings);
    this.#timer = isShared ? repeat(clock, NEEDED_MS, () => tell({ kind: 'needed', all: neededIn(ledger) })) : null;
  }

  close(): void {
    this.#timer?.cancel();
  }
}

function neededIn(ledger: Ledger): Needed[] {
  return [...ledger.sums()].flatMap(({ id, ...sums }) => {
    const worker = workerOf(id);
    return worker === null ? [] : [{ worker, ...sums }];
  });
}

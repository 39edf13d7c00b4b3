import type { Card } from '../card/card.ts';
import type { StartPhase } from '../settings/knobs.ts';
import type { Log } from '../settings/log.ts';
import type { SimSettings } from '../settings/settings.ts';
import type { StartMemory } from './start-memory.ts';

/** What the start-up needs of the process that starts. */
export interface Startup {
  readonly settings: SimSettings;
  readonly log: Log;
  /** How many cards there are. */
  readonly cardCount: number;
  /** Starts the child that stands for the engine core; the memory of the cards is held in its name. */
  spawnEngine(): Promise<Card>;
  /** Kills it as the kernel does when the host's memory is gone. */
  killEngine(): void;
  /** Waits for a share of the start's time; for good where the start is to stand still in `phase`. Rejects when the start is called off. */
  pause(share: number, phase: StartPhase): Promise<void>;
}

/** A start that has got as far as the engine core. */
export interface EngineStart extends Startup {
  readonly memory: StartMemory;
}

import type { Engine } from './engine.ts';
import type { FaultKind, RequestFaults } from '../settings/faults.ts';
import type { Log } from '../settings/log.ts';
import type { SimSettings } from '../settings/settings.ts';
import type { SleepMode } from './sleep-mode.ts';

/** What every part of a running simulated server shares. */
export interface Sim {
  readonly settings: SimSettings;
  readonly engine: Engine;
  readonly sleepMode: SleepMode;
  readonly requestFaults: RequestFaults;
  readonly log: Log;
  /** Seconds since the epoch at which the server began. */
  readonly startedAtS: number;
  /** Longest prompt and answer together, in tokens, as settled at start. */
  readonly maxModelLen: number;
  /** Requests in the hands of the front end, for `/load`. */
  serverLoad: number;
  /** A request was answered with the engine's death: the process ends shortly. */
  onDeathRaised(): void;
  /** `POST /sim/fault`. @returns in words what was done; null for a fault that only a start can have */
  strike(fault: FaultKind | 'none', count: number, afterTokens: number | null): string | null;
}

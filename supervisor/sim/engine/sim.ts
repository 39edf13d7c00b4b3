import type { Engine } from './engine.ts';
import type { HttpFigures } from '../figures/http-figures.ts';
import type { FaultKind, RequestFaults } from '../settings/faults.ts';
import type { Log } from '../settings/log.ts';
import type { SimSettings } from '../settings/settings.ts';
import type { SleepMode } from './sleep-mode.ts';

/** A response that can be asked for again. */
export interface KeptResponse {
  readonly response: object;
  /** Ends what is under way. @returns the response as it then is; null where there is nothing to end */
  cancel(): object | null;
}

/** What every part of a running simulated server shares. */
export interface Sim {
  readonly settings: SimSettings;
  readonly engine: Engine;
  readonly sleepMode: SleepMode;
  readonly requestFaults: RequestFaults;
  /** By id: the Responses API's, where the server keeps them. */
  readonly responses: Map<string, KeptResponse>;
  readonly http: HttpFigures;
  readonly log: Log;
  /** Seconds since the epoch at which the server began. */
  readonly startedAtS: number;
  /** Longest prompt and answer together, in tokens, as settled at start. */
  readonly maxModelLen: number;
  /** It was told to stop: what comes now fails. */
  stopping: boolean;
  /** Requests in the hands of the front end, for `/load`. */
  serverLoad: number;
  /** A request was answered with the engine's death: the process ends shortly. */
  onDeathRaised(): void;
  /** `POST /sim/fault`. @returns in words what was done; null for a fault that only a start can have */
  strike(fault: FaultKind | 'none', count: number, afterTokens: number | null): string | null;
}

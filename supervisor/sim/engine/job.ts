import type { Choice } from './choice.ts';

/** Why a request got no proper end. */
export type RequestFailure = 'engine-dead' | 'request-error';

/** A request as the engine sees it: some sequences, and whom to tell. */
export interface Job {
  readonly choices: readonly Choice[];
  /** GPU memory that reading the prompt takes and that no start plans for, GiB. */
  readonly unplannedGib: number;
  /** Called at the end of a step in which at least one choice got something. */
  onOutput(): void;
  onFailure(failure: RequestFailure): void;
}

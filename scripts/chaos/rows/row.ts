import type { Terms } from '../law/law.ts';
import type { Setting, Stage } from './stage.ts';

/** Where a row is, when it looks for what only it looks for. */
export interface Seen {
  readonly stage: Stage;
  /** When the fault struck, and when it was over. */
  readonly struckMs: number;
  readonly healedMs: number;
}

/** One fault, how it is made, and what must hold all the same. */
export interface Row {
  readonly name: string;
  readonly fault: string;
  readonly how: string;
  /** What must hold beside the law of calls, in a few words. */
  readonly holds: string;
  /** Why it cannot be had on this machine; null: it can. */
  readonly missing?: () => string | null;
  readonly setting?: Setting | ((cleanUp: CleanUp) => Setting | Promise<Setting>);
  readonly strike: (stage: Stage) => unknown;
  readonly heal: (stage: Stage) => unknown;
  /** How long the fault lasts. */
  readonly holdMs?: number;
  readonly terms?: Partial<Terms>;
  /** Every call is to be answered. */
  readonly allOk?: true;
  /** Without lines of a batch: there is nobody to keep them. */
  readonly noLines?: true;
  /** What else does not hold, in words. */
  readonly check?: (seen: Seen) => string[] | Promise<string[]>;
  /** How long it may take until calls are well again. */
  readonly recoverMs?: number;
}

/** Takes what ends something that was started for a row. Called in reverse order. */
export type CleanUp = (end: () => unknown) => void;

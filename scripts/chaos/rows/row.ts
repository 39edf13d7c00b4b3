import type { Terms } from '../law/law.ts';
import type { Facts, Proof } from '../law/proofs.ts';
import type { Setting, Stage } from './stage.ts';

/** Where a row is, when it looks for what only it looks for. */
export interface Seen {
  readonly stage: Stage;
  readonly facts: Facts;
}

/** What a fault may cost beside the usual. */
export interface RowTerms extends Partial<Pick<Terms, 'limitMs' | 'statuses'>> {
  /** The gateway itself is killed: calls that it has while it is dead may end without a word, and may be missing in its log. */
  readonly isKilled?: true;
  /** While the fault lasts clients may be refused by the system. */
  readonly mayRefuse?: true;
  /** While the fault lasts words may be spoilt on their way. */
  readonly isSpoilt?: true;
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
  /** Instead of that: resolves when it has lasted long enough. Has a limit of its own. */
  readonly hold?: (stage: Stage, struckMs: number) => Promise<unknown>;
  readonly terms?: RowTerms;
  /** Every call is to be answered, and every line of a batch. */
  readonly allOk?: true;
  /** Without lines of a batch: there is nobody to keep them. */
  readonly noLines?: true;
  /** While no other row is played: it takes all that this machine has. */
  readonly alone?: true;
  /** What bears `holds` out. */
  readonly proofs?: readonly Proof[];
  /** What else does not hold, in words. */
  readonly check?: (seen: Seen) => string[] | Promise<string[]>;
  /** How long it may take until calls are well again. */
  readonly recoverMs?: number;
}

/** Takes what ends something that was started for a row. Called in reverse order. */
export type CleanUp = (end: () => unknown) => void;

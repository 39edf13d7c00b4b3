import type { Axis, Point } from '../grid/axes.ts';
import type { PointResult } from '../grid/outcome.ts';
import type { Objectives } from '../grid/objectives.ts';
import type { Subject } from '../asked/journal.ts';

/** The overlay of the best point, and whether the engine starts with it as it was measured. */
export interface Written {
  readonly name: string;
  readonly file: string;
  /** null: nobody has tried it, or not to the end. */
  readonly serves: boolean | null;
  /** Why it does not. */
  readonly problem: string | null;
}

/** What a run has found. */
export interface Found {
  readonly startedAt: number;
  readonly tookMs: number;
  readonly subject: Subject;
  readonly axes: readonly Axis[];
  readonly objectives: Objectives;
  readonly results: readonly PointResult[];
  readonly skipped: readonly { readonly point: Point; readonly why: string }[];
  readonly points: number;
  readonly best: PointResult | null;
  /** What the profile has without any tuning of this kind, where it was measured. */
  readonly usual: PointResult | null;
  readonly overlay: Written | null;
  readonly wasInterrupted: boolean;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly version: string;
}

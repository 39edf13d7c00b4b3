import type { Endpoint } from '../../load/calls/target.ts';
import type { Slo } from '../../load/figures/slo.ts';
import type { Summary } from '../../load/figures/summary.ts';
import type { Arm } from '../design/arm.ts';
import type { Comparison } from './comparison.ts';
import type { Decision } from './decision.ts';
import type { GuardrailOpinion, GuardrailSettings } from './guardrail.ts';
import type { Slot } from './slot.ts';
import type { Trust } from './trust.ts';

/** Whether anything may be concluded from it. */
export function isValid({ trust, stopped, wasInterrupted }: Pick<AbtestResult, 'trust' | 'stopped' | 'wasInterrupted'>): boolean {
  return trust.problems.length === 0 && stopped === null && !wasInterrupted;
}

/** A finished test: what was compared, what came of it, and each slot. */
export interface AbtestResult {
  readonly startedAt: number;
  readonly durationMs: number;
  readonly arms: readonly Arm[];
  /** All that ended, also those of a block that did not. */
  readonly slots: readonly Slot[];
  /** Of each arm. */
  readonly summaries: readonly Summary[];
  readonly wholeBlocks: number;
  readonly wantedBlocks: number;
  /** The fewest of which anything could be shown. */
  readonly fewestBlocks: number;
  readonly wasInterrupted: boolean;
  /** Why it ended before its time, but for an interruption. */
  readonly stopped: string | null;
  /** Of what it leaves behind: a trial that could not be ended. */
  readonly leftBehind: string | null;
  readonly comparisons: readonly Comparison[];
  /** Errors, where they are not judged: not one of the family, but against any change. */
  readonly watched: readonly Comparison[];
  readonly decision: Decision;
  readonly trust: Trust;
  readonly guardrail: { readonly settings: GuardrailSettings; readonly opinions: readonly GuardrailOpinion[] } | null;
  readonly slo: Slo;
  readonly asked: {
    readonly urls: readonly string[];
    readonly endpoint: Endpoint;
    readonly models: readonly string[];
    readonly stream: boolean;
    readonly label: string | null;
    readonly seed: number;
    readonly pace: string;
    readonly prompts: string;
    readonly confidence: number;
    readonly judged: readonly string[];
    readonly slotMs: number;
    readonly settleMs: number;
    /** What of the arms' settings held before, by path. */
    readonly before: Readonly<Record<string, unknown>> | null;
  };
  readonly machine: Readonly<Record<string, string | number>>;
  readonly versions: Readonly<Record<string, unknown>>;
}

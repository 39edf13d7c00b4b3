import type { EngineValue } from '../../gateway/config/schema/settings.ts';
import type { Degradation, RefusedFeature } from '../../gateway/core/worker.ts';
import type { Evidence } from '../failure/row.ts';
import type { FailureClass } from '../failure/table.ts';
import type { EngineSettings } from '../profile/profile.ts';

/** What an engine is launched with, as far as a ladder may change it. */
export interface Setup {
  /** Repository or folder of the weights. */
  readonly source: string;
  /** Flags of `vllm serve`, underscores for dashes. */
  readonly engine: EngineSettings;
  readonly env: Readonly<Record<string, string>>;
}

/** How far a model and its card let the settings go. */
export interface LadderLimits {
  /** Below this context the model is of no use. */
  readonly minModelLen: number;
  /** The share of the card under which the weights alone do not fit any more. */
  readonly minUtilization: number;
  /** The share that something beside the engine still leaves. */
  readonly maxUtilization: number;
  /** The worker's part of the card: 1 unless others have it as well. */
  readonly share: number;
  /** How many cards it is spread over. */
  readonly gpus: number;
  /** Memory that CUDA hands out of each, GiB; null when unknown. */
  readonly cardGib: number | null;
  readonly computeCap: number | null;
  readonly weightsGib: number | null;
  /** The model sees pictures, and its encoder can be left out. */
  readonly vision: boolean;
  /** It generates text; a model that only makes embeddings or scores does not. */
  readonly generates: boolean;
  /** Some of its layers look back only over a window. */
  readonly sliding: boolean;
  /** Flags that this engine knows, with their dashes; null: all. */
  readonly knownFlags: ReadonlySet<string> | null;
  /** Smaller weights of the same model that this card can run, largest first. */
  readonly smaller: readonly { readonly name: string; readonly source: string; readonly weightsGib: number }[];
}

/** What a worker is to run with: what the profiles and the operator ask for, and how far that may be relaxed. */
export interface Wanted {
  readonly setup: Setup;
  readonly limits: LadderLimits;
}

/** What one step changes. */
export type SettingChange =
  | { readonly kind: 'engine'; readonly key: string; readonly value: EngineValue }
  | { readonly kind: 'env'; readonly key: string; readonly value: string }
  | { readonly kind: 'source'; readonly value: string }
  /** Nothing about the engine: the gateway keeps such requests away from it. */
  | { readonly kind: 'refusal'; readonly feature: RefusedFeature };

/** One step down: what is changed, for which class of failure, in plain words. */
export interface Relaxation extends Degradation {
  readonly class: FailureClass;
  readonly change: SettingChange;
}

export interface LadderQuestion {
  readonly class: FailureClass;
  /** Settings in force when it failed, `taken` included. */
  readonly setup: Setup;
  readonly limits: LadderLimits;
  readonly evidence: Evidence & {
    /** Somebody else's memory has been waited for long enough. */
    readonly patienceOver?: boolean;
  };
  /** Steps in force, oldest first. */
  readonly taken: readonly Relaxation[];
}

/** The setup with these steps applied, in their order. */
export function relax(setup: Setup, steps: readonly Relaxation[]): Setup {
  return steps.reduce<Setup>((current, { change }) => {
    switch (change.kind) {
      case 'engine':
        return { ...current, engine: { ...current.engine, [change.key]: change.value } };
      case 'env':
        return { ...current, env: { ...current.env, [change.key]: change.value } };
      case 'source':
        return { ...current, source: change.value };
      case 'refusal':
        return current;
    }
  }, setup);
}

/** What the gateway is to keep away from a worker with these steps. */
export function refusedFeatures(steps: readonly Relaxation[]): readonly RefusedFeature[] {
  return steps.flatMap(({ change }) => (change.kind === 'refusal' ? [change.feature] : []));
}

/** One entry a setting, from what the profile asks for to what is in force, with the reason of the last step. */
export function summarize(steps: readonly Relaxation[]): readonly Degradation[] {
  const bySetting = new Map<string, Degradation>();
  for (const { setting, from, to, reason } of steps)
    bySetting.set(setting, { setting, from: bySetting.get(setting)?.from ?? from, to, reason });
  return [...bySetting.values()];
}

import { feasibleUtilization } from '../gpu/memory.ts';
import type { GpuReading } from '../gpu/gpu.ts';
import type { CardFacts } from '../fit/settings.ts';
import { DEFAULT_UTILIZATION } from '../fit/flags.ts';
import type { GpuProfile, Profiles } from '../profile/profile.ts';
import { stepFacts, withSteps } from '../profile/match.ts';
import { decideGpuProfile } from './detect.ts';
import type { Choice } from './engine-choice.ts';
import { gpusFor, numberIn } from './planned-model.ts';
import type { Suit } from './suit.ts';

/** A card with the profile that goes for it. */
export interface ProfiledCard {
  /** null: there is none, and the simulated engine pretends what the profile says. */
  readonly gpu: GpuReading | null;
  /** With its steps laid over it. */
  readonly profile: GpuProfile;
  /** Why this profile, in plain words. */
  readonly reason: string;
  readonly facts: CardFacts;
}

interface Circumstances {
  /** `supervisor.profile`. */
  readonly wanted: string;
  readonly isPretended: boolean;
  readonly vllmVersion: string | null;
}

/** What goes for a card; null: there is none. @throws ProfileError when the settings name a profile that is not there */
export function profiledCard(
  profiles: Profiles,
  gpu: GpuReading | null,
  { wanted, isPretended, vllmVersion }: Circumstances,
): ProfiledCard {
  const named = decideGpuProfile(profiles, wanted, gpu ? [gpu] : [], !isPretended);
  const facts = stepFacts(named.profile, gpu ?? undefined, isPretended, vllmVersion);
  const profile = withSteps(named.profile, facts);
  const { memoryGib, computeCap } = stepFacts(profile, gpu ?? undefined, isPretended, null);
  const name = isPretended ? profile.title : (gpu?.name ?? profile.title);
  return { gpu, profile, reason: named.reason, facts: { name, memoryGib, computeCap, display: gpu?.display ?? false, count: 1 } };
}

/** Cards of one kind can share a model evenly. */
export function kindOf({ name, memoryTotalBytes }: GpuReading): string {
  return `${name}/${memoryTotalBytes}`;
}

/** How a choice for a card suits it; null: the model cannot run there. `isOurs`: what is held of it is held by an engine of our own. */
export function suitOf(choice: Choice, { gpu, facts }: ProfiledCard, isOurs: boolean): Suit | null {
  if (choice.kind === 'refused') return null;
  const { fit, engine } = choice;
  const rank = fit === null ? 2 : fit.verdict === 'fits' ? 0 : fit.verdict === 'tight' ? 1 : 3;
  const free = gpu === null || isOurs ? null : feasibleUtilization(gpu);
  const planned = numberIn(engine, 'gpu_memory_utilization') ?? DEFAULT_UTILIZATION;
  // Without an estimate nothing says with how little it would do.
  const least = fit?.leastUtilization ?? planned;
  const company = free === null || free >= planned ? (facts.display ? 1 : 0) : free >= least ? 2 : 3;
  return { gpus: gpusFor(choice), rank, company };
}

/** The first card that nobody else uses; failing that, the first. */
export function firstIdle(cards: readonly [ProfiledCard, ...ProfiledCard[]], isOurs: (gpu: GpuReading) => boolean): ProfiledCard {
  const isIdle = ({ gpu, profile }: ProfiledCard) =>
    gpu === null ||
    isOurs(gpu) ||
    (feasibleUtilization(gpu) ?? 1) >= (numberIn(profile.engine, 'gpu_memory_utilization') ?? DEFAULT_UTILIZATION);
  return cards.find(isIdle) ?? cards[0];
}

import type { GpuReading } from '../gpu/gpu.ts';
import { cudaTotalBytes } from '../gpu/memory.ts';
import type { GpuProfile } from './schema.ts';
import { isOlder } from '../../gateway/vllm/version.ts';

/**
 * The profiles that describe a card, the closest first. Compute capability and memory decide; among those the name, since several cards
 * share them; and a profile that names nothing but a range of memory comes after those that name a card. What the driver does not say
 * is not held against a profile.
 */
export function matchingProfiles(profiles: Iterable<GpuProfile>, gpu: GpuReading): GpuProfile[] {
  return [...profiles].filter((profile) => matches(profile, gpu)).toSorted((a, b) => closeness(b) - closeness(a));
}

function matches({ match }: GpuProfile, gpu: GpuReading): boolean {
  if (match === null) return false;
  const mib = gpu.memoryTotalBytes / 2 ** 20;
  const memoryFits = !match.memory_mib || (mib >= match.memory_mib[0] && mib <= match.memory_mib[1]);
  const capFits = match.compute_cap === undefined || gpu.computeCap === null || gpu.computeCap === match.compute_cap;
  return capFits && memoryFits && (match.name?.test(gpu.name) ?? true);
}

function closeness({ match }: GpuProfile): number {
  return (match?.name ? 2 : 0) + (match?.memory_mib ? 1 : 0);
}

/** What the steps of a profile depend on; null where it is not known. */
interface StepFacts {
  readonly memoryGib: number | null;
  readonly computeCap: number | null;
  readonly vllmVersion: string | null;
}

/** The profile with those of its steps laid over it that this card and this vLLM call for. */
export function withSteps(profile: GpuProfile, facts: StepFacts): GpuProfile {
  const taken = profile.steps.filter(({ when }) => applies(when, facts));
  const laid = <T extends object>(base: T, layers: readonly T[]): T => Object.assign({}, base, ...layers);
  return {
    ...profile,
    engine: laid(
      profile.engine,
      taken.map(({ engine }) => engine),
    ),
    env: laid(
      profile.env,
      taken.map(({ env }) => env),
    ),
    why: laid(
      profile.why,
      taken.map(({ why }) => why),
    ),
    steps: [],
  };
}

function applies(when: GpuProfile['steps'][number]['when'], { memoryGib, computeCap, vllmVersion }: StepFacts): boolean {
  const { memory_gib_below: below, memory_gib_from: from, compute_cap_below: capBelow, vllm_below: vllmBelow } = when;
  return (
    (below === undefined || (memoryGib !== null && memoryGib < below)) &&
    (from === undefined || (memoryGib !== null && memoryGib >= from)) &&
    (capBelow === undefined || (computeCap !== null && computeCap < capBelow)) &&
    (vllmBelow === undefined || isOlder(vllmVersion, vllmBelow) === true)
  );
}

/** What of a card decides, where there is one; otherwise what its profile says. `isPretended`: the simulated engine plays the profile's card. */
export function stepFacts(profile: GpuProfile, gpu: GpuReading | undefined, isPretended: boolean, vllmVersion: string | null): StepFacts {
  const memoryGib = gpu ? cudaTotalBytes(gpu) / 2 ** 30 : null;
  return {
    memoryGib: isPretended ? (profile.memory_gib ?? memoryGib) : (memoryGib ?? profile.memory_gib),
    computeCap: isPretended ? (profile.compute_cap ?? gpu?.computeCap ?? null) : (gpu?.computeCap ?? profile.compute_cap),
    vllmVersion,
  };
}

import type { Settings } from '../gateway/config/settings.ts';
import type { GpuReading } from './gpu.ts';
import type { GpuProfile, Profiles, Tuning } from './profile.ts';
import { ProfileError } from './profile.ts';

export interface EngineDecision {
  readonly engine: 'vllm' | 'sim';
  /** In plain words. */
  readonly reason: string;
}

/** Which engine to launch. `findVllm` says where the vllm program is, or null. */
export function chooseEngineKind(
  wanted: Settings['supervisor']['engine'],
  gpus: readonly GpuReading[],
  vllm: string | null,
): EngineDecision {
  if (wanted !== 'auto') return { engine: wanted, reason: `supervisor.engine is set to ${wanted}` };
  const gpu = gpus[0];
  if (!gpu) return { engine: 'sim', reason: 'no NVIDIA GPU was found, so the simulated engine is used' };
  if (vllm === null) return { engine: 'sim', reason: `there is a GPU (${gpu.name}) but no vllm command, so the simulated engine is used` };
  return { engine: 'vllm', reason: `${gpu.name} and ${vllm} were found` };
}

/** The GPU profile to use. @throws ProfileError when the settings name one that is not there. */
export function chooseGpuProfile(profiles: Profiles, wanted: string, gpus: readonly GpuReading[]): GpuProfile {
  if (wanted !== 'auto') return named(profiles.gpus, wanted, 'supervisor.profile');
  const gpu = gpus[0];
  if (!gpu) return named(profiles.gpus, 'none', 'supervisor.profile');
  // The one that matches everything comes last.
  const candidates = [...profiles.gpus.values()].toSorted((a, b) => Number(a.name === 'generic') - Number(b.name === 'generic'));
  return candidates.find((profile) => matches(profile, gpu)) ?? named(profiles.gpus, 'generic', 'supervisor.profile');
}

/** @throws ProfileError when there is none of this name. */
export function chooseTuning(profiles: Profiles, wanted: string): Tuning {
  return named(profiles.tunings, wanted, 'supervisor.tuning');
}

/** What the driver does not say is not held against a profile. */
function matches(profile: GpuProfile, gpu: GpuReading): boolean {
  const { match } = profile;
  if (!match?.name.test(gpu.name)) return false;
  const mib = gpu.memoryTotalBytes / 2 ** 20;
  const memoryFits = !match.memory_mib || (mib >= match.memory_mib[0] && mib <= match.memory_mib[1]);
  const capFits = match.compute_cap === undefined || gpu.computeCap === null || gpu.computeCap === match.compute_cap;
  return memoryFits && capFits;
}

function named<T>(entries: ReadonlyMap<string, T>, name: string, setting: string): T {
  const entry = entries.get(name);
  if (!entry) throw new ProfileError(`${setting}: there is no ${name}; there are ${[...entries.keys()].join(', ')}`);
  return entry;
}

import type { Settings } from '../../gateway/config/schema/settings.ts';
import { nearestName } from '../../gateway/config/schema/nearest-name.ts';
import type { GpuReading } from '../gpu/gpu.ts';
import type { GpuProfile, Profiles, Tuning } from '../profile/profile.ts';
import { ProfileError } from '../profile/profile.ts';
import { matchingProfiles } from '../profile/match.ts';

export interface EngineDecision {
  readonly engine: 'vllm' | 'sim';
  /** In plain words. */
  readonly reason: string;
  /** Why the GPUs that there are cannot be used; null where nothing is wrong, if only because there are none. */
  readonly problem: string | null;
  /** What to install or set, where there is a GPU and nothing to launch on it: made-up answers are for those who ask for them. */
  readonly missing: string | null;
}

/**
 * Which engine to launch. `vllm` is where the vllm program is, or null; `gpuProblem` is why there are no GPUs to see, where something is
 * wrong; `program`: the name that was looked for.
 */
export function chooseEngineKind(
  wanted: Settings['supervisor']['engine'],
  gpus: readonly GpuReading[],
  vllm: string | null,
  gpuProblem: string | null = null,
  program = 'vllm',
): EngineDecision {
  const [gpu] = gpus;
  const problem = gpu || wanted === 'sim' ? null : gpuProblem;
  const decided = (engine: EngineDecision['engine'], reason: string): EngineDecision => ({ engine, reason, problem, missing: null });
  if (wanted !== 'auto') return decided(wanted, `supervisor.engine is set to ${wanted}`);
  if (!gpu) {
    const missing = problem === null ? 'no NVIDIA GPU was found' : `no GPU can be used (${problem})`;
    return decided('sim', `${missing}, so the simulated engine is used`);
  }
  if (gpu.simulated) return decided('sim', `SIM_GPU asks for a pretended ${gpu.name}, so the simulated engine is used`);
  if (vllm === null) {
    const missing = `There is a GPU (${gpu.name}) and no program ${program} to run on it: install vLLM (pip install vllm), or give its path in supervisor.vllm_command. --engine sim (supervisor.engine: sim) serves made-up answers without it.`;
    return { ...decided('vllm', `there is a GPU (${gpu.name})`), missing };
  }
  return decided('vllm', `${gpu.name} and ${vllm} were found`);
}

interface ProfileDecision {
  readonly profile: GpuProfile;
  /** In plain words. */
  readonly reason: string;
}

/** The GPU profile to use, and why. `onCpu`: a real engine runs without a card. @throws ProfileError when the settings name one that is not there. */
export function decideGpuProfile(profiles: Profiles, wanted: string, gpus: readonly GpuReading[], onCpu = false): ProfileDecision {
  if (wanted !== 'auto')
    return { profile: named(profiles.gpus, wanted, 'supervisor.profile'), reason: `supervisor.profile is set to ${wanted}` };
  const gpu = gpus[0];
  if (!gpu) return { profile: named(profiles.gpus, onCpu ? 'cpu' : 'none', 'supervisor.profile'), reason: 'no NVIDIA GPU was found' };
  const card = `${gpu.name} (${(gpu.memoryTotalBytes / 2 ** 30).toFixed(1)} GiB, compute capability ${gpu.computeCap ?? 'unknown'})`;
  const [closest] = matchingProfiles(profiles.gpus.values(), gpu);
  if (closest?.match?.name) return { profile: closest, reason: `it describes the ${card}` };
  const profile = closest ?? named(profiles.gpus, 'generic', 'supervisor.profile');
  return { profile, reason: `no profile describes the ${card}, so it gets cautious values by its memory and compute capability` };
}

/** @throws ProfileError when there is none of this name. */
export function chooseTuning(profiles: Profiles, wanted: string): Tuning {
  return named(profiles.tunings, wanted, 'supervisor.tuning');
}

function named<T>(entries: ReadonlyMap<string, T>, name: string, setting: string): T {
  const entry = entries.get(name);
  if (entry) return entry;
  const near = nearestName(name, [...entries.keys()]);
  const hint = near === null ? `there are ${[...entries.keys()].join(', ')}` : `did you mean ${near}?`;
  throw new ProfileError(`${setting}: there is no ${name}; ${hint}`);
}

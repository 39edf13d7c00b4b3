import { PrivateCard, SharedCard } from '../card/card.ts';
import type { Card } from '../card/card.ts';
import { ConfigError } from '../settings/config-error.ts';
import { cardLike, findGpu, gpuIds } from '../card/find-gpu.ts';
import type { SimulatedGpu } from '../card/simulated-gpu.ts';
import type { Environment } from '../settings/knobs.ts';
import { startTime } from '../card/process-identity.ts';
import { VramFile, VramFileError, visibleTo } from '../card/vram-file.ts';

/** The pretend cards that this process can use. */
export interface Machine {
  /** The card whose kind decides: the first. null: there is none. */
  readonly gpu: SimulatedGpu | null;
  readonly cardCount: number;
  /** The memory of the first `count` cards, for the engine core `pid`. */
  open(pid: number, count: number, releaseMs: number): Card;
}

/** The cards that SIM_GPU names, divided by commas; a roomy one without. */
export function gpuIdsOf(env: Environment): string[] {
  return (env['SIM_GPU'] ?? '').split(',').map((id) => id.trim());
}

/** The file that SIM_VRAM_FILE names, or null. */
export function vramFileOf(env: Environment): VramFile | null {
  const path = env['SIM_VRAM_FILE'];
  return path === undefined || path === '' ? null : new VramFile(path, gpuIdsOf(env));
}

/**
 * The cards of SIM_VRAM_FILE that CUDA_VISIBLE_DEVICES leaves. Without such a file: as many cards of the kind SIM_GPU as are wanted,
 * which no other process uses. Throws ConfigError.
 */
export async function findMachine(env: Environment): Promise<Machine> {
  const file = vramFileOf(env);
  if (file === null) {
    const [id] = gpuIdsOf(env);
    const gpu = findGpu(id);
    if (gpu === undefined) throw new ConfigError(`ValueError: SIM_GPU must be one of ${gpuIds().join(', ')}, got '${id}'`);
    return { gpu, cardCount: Infinity, open: () => new PrivateCard(gpu.memoryGib) };
  }
  try {
    const visible = visibleTo(await file.read(), env['CUDA_VISIBLE_DEVICES']);
    const [first] = visible;
    const gpu = first && cardLike({ name: first.name, labelMib: first.memory_total_mib, capability: first.compute_cap });
    return {
      gpu: gpu ?? null,
      cardCount: visible.length,
      open: (pid, count, releaseMs) => {
        const owner = { pid, starttime: startTime(pid), title: 'VLLM::EngineCore' };
        const uuids = visible.slice(0, count).map(({ uuid }) => uuid);
        return new SharedCard(file, uuids, owner, releaseMs);
      },
    };
  } catch (error) {
    if (error instanceof VramFileError) throw new ConfigError(`ValueError: SIM_VRAM_FILE: ${error.message}`);
    throw error;
  }
}

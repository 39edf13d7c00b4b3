import type { Settings } from '../../gateway/config/schema/settings.ts';
import type { GpuReading } from '../gpu/gpu.ts';

interface Allowed {
  readonly allowed: readonly GpuReading[];
  /** Why it is on none of them, in plain words; null where there is one, or the settings leave the choice. */
  readonly problem: string | null;
}

/** The cards that `supervisor.placement` leaves a model. A GPU is named by its index or by the beginning of its id, as to CUDA. */
export function allowedCards(placement: Settings['supervisor']['placement'], model: string, gpus: readonly GpuReading[]): Allowed {
  const named = placement === 'auto' ? undefined : Object.hasOwn(placement, model) ? placement[model] : undefined;
  if (named === undefined || gpus.length === 0) return { allowed: gpus, problem: null };
  const allowed = gpus.filter((gpu) => named.some((name) => isMeant(name, gpu)));
  if (allowed.length > 0) return { allowed, problem: null };
  const there = gpus.map(({ index, name }) => `${index} (${name})`).join(', ');
  return { allowed, problem: `supervisor.placement puts ${model} on GPU ${named.join(', ')}, and there are ${there}.` };
}

/** The index is that of a whole card; a part of one has only its id. */
function isMeant(name: number | string, { index, uuid, parentUuid }: GpuReading): boolean {
  return typeof name === 'number' ? parentUuid === null && name === index : uuid.startsWith(name);
}

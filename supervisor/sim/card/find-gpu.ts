import { GPUS, ROOMY } from './gpu-table.ts';
import type { SimulatedGpu } from './simulated-gpu.ts';

/** CUDA hands out this much less than the label says, on the cards that nobody has measured. */
const RESERVED_MIB = 450;

/** The card that SIM_GPU names; undefined for a name that is not known. Without a name: a roomy card. */
export function findGpu(id: string | undefined): SimulatedGpu | undefined {
  if (id === undefined || id === '' || id === 'none' || id === ROOMY.id) return ROOMY;
  return GPUS.find((gpu) => gpu.id === id.toLowerCase());
}

export function gpuIds(): readonly string[] {
  return [...GPUS.map((gpu) => gpu.id), ROOMY.id];
}

/** A card by what its driver says of it. For a card that is not in the table, speed and power are guessed. */
export function cardLike(said: { readonly name: string; readonly labelMib: number; readonly capability: number }): SimulatedGpu {
  const known = [...GPUS, ROOMY].find((gpu) => gpu.name === said.name);
  const memoryGib = known?.labelMib === said.labelMib ? known.memoryGib : Math.max(0, said.labelMib - RESERVED_MIB) / 1024;
  return { id: 'other', bandwidthGbPerS: 360, tflops: 40, powerLimitW: 200, ecc: null, ...known, ...said, memoryGib };
}

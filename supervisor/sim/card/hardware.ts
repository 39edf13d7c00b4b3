/** A graphics card, as far as a simulation of vLLM on it needs to know. */
export interface SimulatedGpu {
  /** The value of SIM_GPU. */
  readonly id: string;
  /** As the driver prints it. */
  readonly name: string;
  /** Memory that CUDA can hand out, GiB; about half a GiB less than the card's label. */
  readonly memoryGib: number;
  /** What nvidia-smi prints as `memory.total`, MiB. */
  readonly labelMib: number;
  readonly bandwidthGbPerS: number;
  /** 16-bit tensor throughput with 32-bit accumulation, dense. */
  readonly tflops: number;
  /** Compute capability. */
  readonly capability: number;
  readonly powerLimitW: number;
  /** Error correction of the memory: null where the card has none. */
  readonly ecc: boolean | null;
}

const GPUS: readonly SimulatedGpu[] = [
  {
    id: 't4',
    name: 'Tesla T4',
    memoryGib: 14.56,
    labelMib: 15360,
    bandwidthGbPerS: 320,
    tflops: 65,
    capability: 7.5,
    powerLimitW: 70,
    ecc: true,
  },
  {
    id: 'l4',
    name: 'NVIDIA L4',
    memoryGib: 22.05,
    labelMib: 23034,
    bandwidthGbPerS: 300,
    tflops: 121,
    capability: 8.9,
    powerLimitW: 72,
    ecc: true,
  },
  {
    id: 'rtx-a4000',
    name: 'NVIDIA RTX A4000',
    memoryGib: 15.55,
    labelMib: 16376,
    bandwidthGbPerS: 448,
    tflops: 76.7,
    capability: 8.6,
    powerLimitW: 140,
    ecc: false,
  },
  {
    id: 'rtx-3050-laptop',
    name: 'NVIDIA GeForce RTX 3050 Laptop GPU',
    memoryGib: 3.65,
    labelMib: 4096,
    bandwidthGbPerS: 192,
    tflops: 12,
    capability: 8.6,
    powerLimitW: 60,
    ecc: null,
  },
  {
    id: 'gtx-1650',
    name: 'NVIDIA GeForce GTX 1650',
    memoryGib: 3.65,
    labelMib: 4096,
    bandwidthGbPerS: 128,
    tflops: 6,
    capability: 7.5,
    powerLimitW: 75,
    ecc: null,
  },
  {
    id: 'rtx-3060',
    name: 'NVIDIA GeForce RTX 3060',
    memoryGib: 11.55,
    labelMib: 12288,
    bandwidthGbPerS: 360,
    tflops: 25.5,
    capability: 8.6,
    powerLimitW: 170,
    ecc: null,
  },
  {
    id: 'rtx-3090',
    name: 'NVIDIA GeForce RTX 3090',
    memoryGib: 23.52,
    labelMib: 24576,
    bandwidthGbPerS: 936,
    tflops: 71,
    capability: 8.6,
    powerLimitW: 350,
    ecc: null,
  },
  {
    id: 'rtx-4080',
    name: 'NVIDIA GeForce RTX 4080',
    memoryGib: 15.57,
    labelMib: 16376,
    bandwidthGbPerS: 716.8,
    tflops: 97.5,
    capability: 8.9,
    powerLimitW: 320,
    ecc: null,
  },
  {
    id: 'rtx-4080-super',
    name: 'NVIDIA GeForce RTX 4080 SUPER',
    memoryGib: 15.57,
    labelMib: 16376,
    bandwidthGbPerS: 736,
    tflops: 104,
    capability: 8.9,
    powerLimitW: 320,
    ecc: null,
  },
  {
    id: 'rtx-4090',
    name: 'NVIDIA GeForce RTX 4090',
    memoryGib: 23.52,
    labelMib: 24564,
    bandwidthGbPerS: 1008,
    tflops: 165,
    capability: 8.9,
    powerLimitW: 450,
    ecc: null,
  },
  {
    id: 'rtx-5080',
    name: 'NVIDIA GeForce RTX 5080',
    memoryGib: 15.48,
    labelMib: 16303,
    bandwidthGbPerS: 960,
    tflops: 113,
    capability: 12,
    powerLimitW: 360,
    ecc: null,
  },
  {
    id: 'rtx-5090',
    name: 'NVIDIA GeForce RTX 5090',
    memoryGib: 31.37,
    labelMib: 32607,
    bandwidthGbPerS: 1792,
    tflops: 210,
    capability: 12,
    powerLimitW: 575,
    ecc: null,
  },
  {
    id: 'a10',
    name: 'NVIDIA A10',
    memoryGib: 22.05,
    labelMib: 23028,
    bandwidthGbPerS: 600,
    tflops: 125,
    capability: 8.6,
    powerLimitW: 150,
    ecc: true,
  },
  {
    id: 'l40s',
    name: 'NVIDIA L40S',
    memoryGib: 44.4,
    labelMib: 46068,
    bandwidthGbPerS: 864,
    tflops: 362,
    capability: 8.9,
    powerLimitW: 350,
    ecc: true,
  },
  {
    id: 'a100-40',
    name: 'NVIDIA A100-PCIE-40GB',
    memoryGib: 39.4,
    labelMib: 40960,
    bandwidthGbPerS: 1555,
    tflops: 312,
    capability: 8,
    powerLimitW: 250,
    ecc: true,
  },
  {
    id: 'a100-80',
    name: 'NVIDIA A100-SXM4-80GB',
    memoryGib: 79.2,
    labelMib: 81920,
    bandwidthGbPerS: 2039,
    tflops: 312,
    capability: 8,
    powerLimitW: 400,
    ecc: true,
  },
  {
    id: 'h100',
    name: 'NVIDIA H100 80GB HBM3',
    memoryGib: 79.1,
    labelMib: 81559,
    bandwidthGbPerS: 3350,
    tflops: 989,
    capability: 9,
    powerLimitW: 700,
    ecc: true,
  },
  {
    id: 'h200',
    name: 'NVIDIA H200',
    memoryGib: 139.8,
    labelMib: 143771,
    bandwidthGbPerS: 4800,
    tflops: 989,
    capability: 9,
    powerLimitW: 700,
    ecc: true,
  },
];

/** Without SIM_GPU: a card that nobody sells, so roomy that any model one wants to try fits it. */
const ROOMY: SimulatedGpu = {
  id: 'sim',
  name: 'Simulated GPU',
  memoryGib: 64,
  labelMib: 65986,
  bandwidthGbPerS: 600,
  tflops: 120,
  capability: 8.9,
  powerLimitW: 300,
  ecc: null,
};

/** CUDA hands out this much less than the label says, on the cards that nobody has measured. */
const RESERVED_MIB = 450;

/** The card that SIM_GPU names; `undefined` for a name that is not known. No name gives a roomy card. */
export function findGpu(id: string | undefined): SimulatedGpu | undefined {
  if (id === undefined || id === '' || id === 'none' || id === ROOMY.id) return ROOMY;
  return GPUS.find((gpu) => gpu.id === id.toLowerCase());
}

export function gpuIds(): readonly string[] {
  return [...GPUS.map((gpu) => gpu.id), ROOMY.id];
}

/** A card by what its driver says of it. Of one that is not in the table, speed and power are guessed. */
export function cardLike(said: { readonly name: string; readonly labelMib: number; readonly capability: number }): SimulatedGpu {
  const known = [...GPUS, ROOMY].find((gpu) => gpu.name === said.name);
  const memoryGib = known?.labelMib === said.labelMib ? known.memoryGib : Math.max(0, said.labelMib - RESERVED_MIB) / 1024;
  return { id: 'other', bandwidthGbPerS: 360, tflops: 40, powerLimitW: 200, ecc: null, ...known, ...said, memoryGib };
}

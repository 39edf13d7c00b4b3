/** A graphics card, as far as a simulation of vLLM on it needs to know. */
export interface SimulatedGpu {
  /** The value of SIM_GPU. */
  readonly id: string;
  /** As the driver prints it. */
  readonly name: string;
  /** Memory that CUDA can hand out, GiB; about half a GiB less than the card's label. */
  readonly memoryGib: number;
  readonly bandwidthGbPerS: number;
  /** 16-bit tensor throughput with 32-bit accumulation, dense. */
  readonly tflops: number;
  /** Compute capability. */
  readonly capability: number;
}

const GPUS: readonly SimulatedGpu[] = [
  { id: 't4', name: 'Tesla T4', memoryGib: 14.56, bandwidthGbPerS: 320, tflops: 65, capability: 7.5 },
  { id: 'l4', name: 'NVIDIA L4', memoryGib: 22.05, bandwidthGbPerS: 300, tflops: 121, capability: 8.9 },
  { id: 'rtx-a4000', name: 'NVIDIA RTX A4000', memoryGib: 15.55, bandwidthGbPerS: 448, tflops: 76.7, capability: 8.6 },
  { id: 'rtx-3050-laptop', name: 'NVIDIA GeForce RTX 3050 Laptop GPU', memoryGib: 3.65, bandwidthGbPerS: 192, tflops: 12, capability: 8.6 },
  { id: 'gtx-1650', name: 'NVIDIA GeForce GTX 1650', memoryGib: 3.65, bandwidthGbPerS: 128, tflops: 6, capability: 7.5 },
  { id: 'rtx-3060', name: 'NVIDIA GeForce RTX 3060', memoryGib: 11.55, bandwidthGbPerS: 360, tflops: 25.5, capability: 8.6 },
  { id: 'rtx-3090', name: 'NVIDIA GeForce RTX 3090', memoryGib: 23.52, bandwidthGbPerS: 936, tflops: 71, capability: 8.6 },
  { id: 'rtx-4080', name: 'NVIDIA GeForce RTX 4080', memoryGib: 15.57, bandwidthGbPerS: 716.8, tflops: 97.5, capability: 8.9 },
  { id: 'rtx-4080-super', name: 'NVIDIA GeForce RTX 4080 SUPER', memoryGib: 15.57, bandwidthGbPerS: 736, tflops: 104, capability: 8.9 },
  { id: 'rtx-4090', name: 'NVIDIA GeForce RTX 4090', memoryGib: 23.52, bandwidthGbPerS: 1008, tflops: 165, capability: 8.9 },
  { id: 'rtx-5080', name: 'NVIDIA GeForce RTX 5080', memoryGib: 15.48, bandwidthGbPerS: 960, tflops: 113, capability: 12 },
  { id: 'rtx-5090', name: 'NVIDIA GeForce RTX 5090', memoryGib: 31.37, bandwidthGbPerS: 1792, tflops: 210, capability: 12 },
  { id: 'a10', name: 'NVIDIA A10', memoryGib: 22.05, bandwidthGbPerS: 600, tflops: 125, capability: 8.6 },
  { id: 'l40s', name: 'NVIDIA L40S', memoryGib: 44.4, bandwidthGbPerS: 864, tflops: 362, capability: 8.9 },
  { id: 'a100-40', name: 'NVIDIA A100-PCIE-40GB', memoryGib: 39.4, bandwidthGbPerS: 1555, tflops: 312, capability: 8 },
  { id: 'a100-80', name: 'NVIDIA A100-SXM4-80GB', memoryGib: 79.2, bandwidthGbPerS: 2039, tflops: 312, capability: 8 },
  { id: 'h100', name: 'NVIDIA H100 80GB HBM3', memoryGib: 79.1, bandwidthGbPerS: 3350, tflops: 989, capability: 9 },
  { id: 'h200', name: 'NVIDIA H200', memoryGib: 139.8, bandwidthGbPerS: 4800, tflops: 989, capability: 9 },
];

/** Without SIM_GPU: a card that nobody sells, so roomy that any model one wants to try fits it. */
const ROOMY: SimulatedGpu = { id: 'sim', name: 'Simulated GPU', memoryGib: 64, bandwidthGbPerS: 600, tflops: 120, capability: 8.9 };

/** The card that SIM_GPU names; `undefined` for a name that is not known. No name gives a roomy card. */
export function findGpu(id: string | undefined): SimulatedGpu | undefined {
  if (id === undefined || id === '' || id === 'none' || id === ROOMY.id) return ROOMY;
  return GPUS.find((gpu) => gpu.id === id.toLowerCase());
}

export function gpuIds(): readonly string[] {
  return [...GPUS.map((gpu) => gpu.id), ROOMY.id];
}

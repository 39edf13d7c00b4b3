/** What a simulation of vLLM needs to know of a graphics card. */
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

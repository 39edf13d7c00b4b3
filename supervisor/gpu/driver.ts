import type { GpuReading } from './gpu.ts';

interface DriverAdvice {
  /** blocked: vLLM cannot run with it. doubtful: it may. */
  readonly kind: 'fine' | 'doubtful' | 'blocked';
  readonly message: string;
}

/** The first driver branch that runs CUDA 13, for which vLLM is built by default. */
const CUDA_13_BRANCH = 580;
/** The first that runs any CUDA 12. */
const CUDA_12_BRANCH = 525;

/** What the driver means for vLLM on this card. `cuda` is what vLLM was built for, such as 13.0; null where that is not known. */
export function driverAdvice(gpu: Pick<GpuReading, 'name' | 'driverVersion'>, cuda: string | null): DriverAdvice {
  const { driverVersion } = gpu;
  const branch = Number.parseInt(driverVersion ?? '', 10);
  if (Number.isNaN(branch))
    return { kind: 'doubtful', message: 'The driver does not tell its version; vLLM built for CUDA 13 needs R580 or newer.' };
  const is = `Driver ${driverVersion}`;
  if (branch < CUDA_12_BRANCH) return { kind: 'blocked', message: `${is} is too old for every current vLLM: install R580 or newer.` };
  if (branch >= CUDA_13_BRANCH) return { kind: 'fine', message: `${is} runs every current vLLM.` };
  if (cuda !== null && Number.parseInt(cuda, 10) < 13)
    return { kind: 'fine', message: `${is} suits this vLLM, which was built for CUDA ${cuda}.` };
  const kind = cuda === null ? 'doubtful' : 'blocked';
  // NVIDIA's forward compatibility is for professional and data center cards only.
  if (isConsumer(gpu.name))
    return {
      kind,
      message: `${is} is too old for vLLM built for CUDA 13 on a GeForce card: install R580 or newer, or the cu129 build of vLLM.`,
    };
  return {
    kind: 'doubtful',
    message: `${is} runs vLLM built for CUDA 13 only with NVIDIA’s compatibility package (in vLLM’s image: VLLM_ENABLE_CUDA_COMPATIBILITY=1). Better install R580 or newer, or the cu129 build of vLLM.`,
  };
}

function isConsumer(name: string): boolean {
  return /GeForce|TITAN/i.test(name);
}

import type { SimSettings } from './settings.ts';

/** A start that ends badly. */
export class StartFailure extends Error {
  readonly exitCode: number;
  /** What the engine core logs before the front end gives up; null where the front end itself failed. */
  readonly engineError: string | null;
  /** How the engine core ended: its exit code, or minus the signal. */
  readonly engineExit: number;

  constructor(options: {
    readonly exitCode: number;
    readonly message: string;
    readonly engineError?: string;
    readonly engineExit?: number;
  }) {
    super(options.message);
    this.exitCode = options.exitCode;
    this.engineError = options.engineError ?? null;
    this.engineExit = options.engineExit ?? 1;
  }
}

/** The engine core could not start: its own words first, then the front end's, exit status 1. */
export function engineStartFailure(engineError: string, engineExit = 1): StartFailure {
  const message =
    engineExit === 1
      ? "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': 1}"
      : `RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': ${engineExit}}`;
  return new StartFailure({ exitCode: 1, message, engineError, engineExit });
}

/** What a failed allocation on the pretend card says. */
export function cudaOutOfMemory(settings: SimSettings, wantedMib: number): string {
  const total = settings.gpu.memoryGib;
  return (
    `torch.OutOfMemoryError: CUDA out of memory. Tried to allocate ${wantedMib.toFixed(2)} MiB. GPU 0 has a total capacity of ${total.toFixed(2)} GiB of which ` +
    `${(wantedMib / 2).toFixed(2)} MiB is free. Including non-PyTorch memory, this process has ${(total - wantedMib / 2048).toFixed(2)} GiB memory in use.`
  );
}

/** Combinations of card and model that vLLM refuses to start, in its words; null when there is nothing to say. */
export function incompatibility(settings: SimSettings): string | null {
  const { gpu, spec, dtype, memory } = settings;
  const bfloat16 = dtype === 'bfloat16';
  const float16 = dtype === 'float16' || dtype === 'half' || (dtype === 'auto' && gpu.capability < 8);
  if (bfloat16 && gpu.capability < 8) {
    return (
      `ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your ${gpu.name} GPU has compute capability ` +
      `${gpu.capability.toFixed(1)}. You can use float16 instead by explicitly setting the \`dtype\` flag in CLI, for example: --dtype=half.`
    );
  }
  if (float16 && spec.needsBfloat16) {
    const type = /gemma/i.test(spec.architecture) ? 'gemma3' : 'gpt_oss';
    return `ValueError: The model type '${type}' does not support float16. Reason: Numerical instability. Please use bfloat16 or float32 instead.`;
  }
  if (typeof memory.maxModelLen === 'number' && memory.maxModelLen > spec.maxContext) {
    return (
      'pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n' +
      `  Value error, User-specified max_model_len (${memory.maxModelLen}) is greater than the derived max_model_len (max_position_embeddings=${spec.maxContext} ` +
      "or model_max_length=None in model's config.json). To allow overriding this maximum, set the env var VLLM_ALLOW_LONG_MAX_MODEL_LEN=1."
    );
  }
  return null;
}

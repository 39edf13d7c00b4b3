import type { StartFaultKind } from './faults.ts';
import type { Log } from './log.ts';
import { isMemoryFailure, planMemory } from './memory.ts';
import type { MemoryPlan } from './memory.ts';
import { cudaOutOfMemory, engineStartFailure, incompatibility, StartFailure } from './start-failure.ts';
import { VERSION } from './settings.ts';
import type { SimSettings } from './settings.ts';

/** What the start-up needs of the process that starts. */
export interface Startup {
  readonly settings: SimSettings;
  readonly log: Log;
  readonly fault: StartFaultKind | 'host-oom' | null;
  readonly allowLongContext: boolean;
  /** Starts the child that stands for the engine core. */
  spawnEngine(): Promise<void>;
  /** Kills it as the kernel does when the host's memory is gone. */
  killEngine(): void;
  /** Waits for a share of the start's time. Rejects when the start is called off. */
  pause(share: number): Promise<void>;
}

/** The front end's first lines, up to where the port is bound. */
export function announce(settings: SimSettings, log: Log): void {
  log.warning(
    'APIServer',
    'sim.py:1',
    'This is a SIMULATED vLLM server: no model is loaded, no GPU is used, and the text it generates means nothing.',
  );
  log.info('APIServer', 'utils.py:299', `version ${VERSION}  model ${settings.model}`);
  const given = [...settings.given].map(([key, value]) => `'${key}': ${JSON.stringify(value).replaceAll('"', "'")}`).join(', ');
  log.info('APIServer', 'utils.py:233', `non-default args: {'model_tag': '${settings.model}'${given === '' ? '' : `, ${given}`}}`);
}

/** Goes through a start the way vLLM's log does. Gives the memory plan, or throws StartFailure. */
export async function startEngine(startup: Startup): Promise<MemoryPlan> {
  const { settings, log, fault } = startup;
  await resolveModel(startup);
  await startup.spawnEngine();
  log.info(
    'EngineCore',
    'core.py:103',
    `Initializing a V1 LLM engine (v${VERSION}) with config: model='${settings.model}', dtype=${settings.dtype}, max_seq_len=${settings.memory.maxModelLen ?? settings.spec.maxContext}, simulated_gpu='${settings.gpu.name}'`,
  );
  const plan = planMemory(settings.gpu, settings.spec, settings.memory);
  if (isMemoryFailure(plan) && plan.kind === 'busy-vram') throw engineStartFailure(`ValueError: ${plan.message}`);
  if (fault === 'busy-vram') throw engineStartFailure(`ValueError: ${busyText(settings)}`);
  const backend = settings.gpu.capability < 8 ? 'TRITON_ATTN' : 'FLASH_ATTN';
  log.info('EngineCore', 'cuda.py:421', `Using ${backend} attention backend out of potential backends: ['${backend}']`);
  await loadWeights(startup, isMemoryFailure(plan) && plan.kind === 'oom-weights' ? plan.message : null);
  if (isMemoryFailure(plan) && plan.kind === 'oom-profile') throw engineStartFailure(plan.message);
  await compile(startup);
  if (fault === 'oom-kv') {
    log.info('EngineCore', 'gpu_worker.py:356', 'Available KV cache memory: -0.41 GiB');
    throw engineStartFailure(
      'ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine.',
    );
  }
  if (isMemoryFailure(plan)) {
    if (plan.kind === 'oom-kv') log.info('EngineCore', 'gpu_worker.py:356', 'Available KV cache memory: -0.12 GiB');
    throw engineStartFailure(`ValueError: ${plan.message}`);
  }
  log.info('EngineCore', 'gpu_worker.py:356', `Available KV cache memory: ${plan.kvCacheGib.toFixed(2)} GiB`);
  const concurrency = (plan.kvCacheTokens / plan.maxModelLen).toFixed(2);
  const count = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',');
  log.info(
    'EngineCore',
    'kv_cache_utils.py:1307',
    `GPU KV cache size: ${count(plan.kvCacheTokens)} tokens, Maximum concurrency for ${count(plan.maxModelLen)} tokens per request: ${concurrency}x`,
  );
  await captureGraphs(startup, plan);
  const seconds = (settings.startMs / 1000).toFixed(2);
  log.info(
    'EngineCore',
    'core.py:259',
    `init engine (profile, create kv cache, warmup model) took ${seconds} s (compilation: ${(settings.startMs / 8000).toFixed(2)} s)`,
  );
  return plan;
}

async function resolveModel(startup: Startup): Promise<void> {
  const { settings, log, fault, allowLongContext } = startup;
  await startup.pause(0.05);
  if (fault === 'config-error') {
    const message = `OSError: ${settings.model} is not a local folder and is not a valid model identifier listed on 'https://huggingface.co/models'`;
    throw new StartFailure({ exitCode: 1, message });
  }
  log.info('APIServer', 'model.py:530', `Resolved architecture: ${settings.spec.architecture}`);
  const problem = incompatibility(settings);
  if (problem !== null && !(allowLongContext && problem.includes('VLLM_ALLOW_LONG_MAX_MODEL_LEN')))
    throw new StartFailure({ exitCode: 1, message: problem });
  const { maxModelLen, maxNumBatchedTokens } = settings.memory;
  log.info('APIServer', 'model.py:1547', `Using max model len ${typeof maxModelLen === 'number' ? maxModelLen : settings.spec.maxContext}`);
  if (settings.chunkedPrefill) {
    log.info('APIServer', 'scheduler.py:226', `Chunked prefill is enabled with max_num_batched_tokens=${maxNumBatchedTokens}.`);
  }
  await startup.pause(0.1);
}

async function loadWeights(startup: Startup, tooBig: string | null): Promise<void> {
  const { settings, log, fault } = startup;
  const shards = Math.max(1, Math.ceil(settings.spec.weightsGib / 4.6));
  log.info('EngineCore', 'gpu_model_runner.py:3562', `Starting to load model ${settings.model}...`);
  for (let shard = 0; shard <= shards; shard++) {
    const percent = Math.round((100 * shard) / shards);
    log.progress('EngineCore', `Loading safetensors checkpoint shards: ${String(percent).padStart(3)}% Completed | ${shard}/${shards} `);
    if (shard >= shards / 2 && (tooBig !== null || fault === 'oom-weights')) {
      log.stderr('EngineCore', '');
      log.error(
        'EngineCore',
        'gpu_model_runner.py:3593',
        'Failed to load model - not enough GPU memory. Try lowering --gpu-memory-utilization to free memory for weights, increasing --tensor-parallel-size, or using --quantization.',
      );
      throw engineStartFailure(tooBig ?? cudaOutOfMemory(settings, 224));
    }
    if (shard >= shards / 2 && fault === 'host-oom') {
      log.stderr('EngineCore', '');
      startup.killEngine();
      log.error('APIServer', 'core_client.py:600', '[shutdown] MPClient: engine core exited unexpectedly; starting cleanup');
      throw new StartFailure({
        exitCode: 1,
        message: "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': -9}",
        engineExit: -9,
      });
    }
    await startup.pause(0.45 / (shards + 1));
  }
  log.stderr('EngineCore', '');
  const seconds = ((settings.startMs / 1000) * 0.45).toFixed(2);
  log.info('EngineCore', 'default_loader.py:314', `Loading weights took ${seconds} seconds`);
  log.info(
    'EngineCore',
    'gpu_model_runner.py:3659',
    `Model loading took ${settings.spec.weightsGib.toFixed(2)} GiB memory and ${seconds} seconds`,
  );
}

async function compile(startup: Startup): Promise<void> {
  const { settings, log } = startup;
  if (!settings.memory.enforceEager) {
    const seconds = settings.startMs / 1000;
    log.info('EngineCore', 'backends.py:643', `Dynamo bytecode transform time: ${(seconds * 0.04).toFixed(2)} s`);
    await startup.pause(0.08);
    log.info(
      'EngineCore',
      'backends.py:284',
      `Compiling a graph for compile range (1, ${settings.memory.maxNumBatchedTokens}) takes ${(seconds * 0.08).toFixed(2)} s`,
    );
    log.info('EngineCore', 'monitor.py:34', `torch.compile took ${(seconds * 0.12).toFixed(2)} s in total`);
  }
  await startup.pause(0.08);
}

async function captureGraphs(startup: Startup, plan: MemoryPlan): Promise<void> {
  const { settings, log, fault } = startup;
  const sizes = settings.memory.enforceEager ? 0 : settings.memory.captureSizes;
  if (sizes === 0 && fault !== 'oom-graph') return startup.pause(0.2);
  for (const done of [0, Math.ceil(sizes / 2), sizes]) {
    log.progress(
      'EngineCore',
      `Capturing CUDA graphs (decode, FULL): ${String(Math.round((100 * done) / Math.max(1, sizes))).padStart(3)}%| ${done}/${sizes} `,
    );
    if (done > 0 && fault === 'oom-graph') {
      log.stderr('EngineCore', '');
      throw engineStartFailure(cudaOutOfMemory(settings, 34));
    }
    await startup.pause(0.2 / 3);
  }
  log.stderr('EngineCore', '');
  log.info(
    'EngineCore',
    'gpu_model_runner.py:4587',
    `Graph capturing finished in ${Math.max(1, Math.round(settings.startMs / 5000))} secs, took ${plan.graphsGib.toFixed(2)} GiB`,
  );
}

function busyText(settings: SimSettings): string {
  const { memoryGib } = settings.gpu;
  const { gpuMemoryUtilization } = settings.memory;
  return (
    `Free memory on device cuda:0 (${(memoryGib * 0.31).toFixed(2)}/${memoryGib.toFixed(2)} GiB) on startup is less than desired GPU memory utilization ` +
    `(${gpuMemoryUtilization}, ${(memoryGib * gpuMemoryUtilization).toFixed(2)} GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.`
  );
}

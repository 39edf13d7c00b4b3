import { attentionProblem, incompatibility } from '../settings/incompatibility.ts';
import type { EngineStart, Startup } from './engine-start.ts';
import { loadWeights } from './load-weights.ts';
import type { Log } from '../settings/log.ts';
import { busy, noGpu } from '../card/memory-failure.ts';
import { memoryDemands } from '../card/memory-plan.ts';
import type { MemoryPlan } from '../card/memory.ts';
import { captureGraphs, compile, profile, sizeKvCache } from './prepare-engine.ts';
import { VERSION } from '../settings/settings.ts';
import type { SimSettings } from '../settings/settings.ts';
import { engineStartFailure, StartFailure } from './start-failure.ts';
import { OutOfMemory, StartMemory } from './start-memory.ts';

const ULIMIT =
  'Found ulimit of 20000 and failed to automatically increase with error current limit exceeds maximum limit. This can cause fd limit errors like `OSError: [Errno 24] Too many open files`. Consider increasing with ulimit -n';

/** The front end's first lines, up to where the port is bound. */
export function announce(settings: SimSettings, log: Log): void {
  log.warning(
    'APIServer',
    'sim.py:1',
    'This is a SIMULATED vLLM server: no model is loaded, no GPU is used, and the text it generates means nothing.',
  );
  log.info('APIServer', 'api_utils.py:347', `vLLM server version ${VERSION}, serving model ${settings.model}`);
  const given = [...settings.given].map(([key, value]) => `'${key}': ${JSON.stringify(value).replaceAll('"', "'")}`).join(', ');
  log.info('APIServer', 'api_utils.py:286', `non-default args: {'model_tag': '${settings.model}'${given === '' ? '' : `, ${given}`}}`);
  // At every start, and no reason of any death: it names an error that has not come about.
  log.warning('APIServer', 'system_utils.py:255', ULIMIT);
}

/** Goes through a start and writes vLLM's log of it. @returns where the memory went @throws StartFailure */
export async function startEngine(startup: Startup): Promise<MemoryPlan> {
  await resolveModel(startup);
  const card = await startup.spawnEngine();
  const { settings, log } = startup;
  const memory = new StartMemory(card, memoryDemands(settings.gpu, settings.spec, settings.memory));
  try {
    await startCore({ ...startup, memory });
  } catch (error) {
    if (!(error instanceof OutOfMemory)) throw error;
    const { kvCacheGib, message, kind } = error.failure;
    if (kvCacheGib !== undefined && (kind === 'oom-kv' || kind === 'kv-too-small')) {
      log.info('EngineCore', 'gpu_worker.py:356', `Available KV cache memory: ${kvCacheGib.toFixed(2)} GiB`);
    }
    throw engineStartFailure(message);
  }
  return memory.plan;
}

async function resolveModel(startup: Startup): Promise<void> {
  const { settings, log } = startup;
  await startup.pause(0.05, 'resolve');
  if (settings.fault === 'config-error' || settings.startError !== null) {
    const missing = `OSError: ${settings.model} is not a local folder and is not a valid model identifier listed on 'https://huggingface.co/models'`;
    throw new StartFailure(1, settings.startError ?? missing);
  }
  log.info('APIServer', 'model.py:530', `Resolved architecture: ${settings.spec.architecture}`);
  const problem = incompatibility(settings);
  if (problem !== null) throw new StartFailure(1, problem);
  const { maxModelLen, maxNumBatchedTokens } = settings.memory;
  log.info('APIServer', 'model.py:1547', `Using max model len ${typeof maxModelLen === 'number' ? maxModelLen : settings.spec.maxContext}`);
  if (settings.chunkedPrefill) {
    log.info('APIServer', 'scheduler.py:226', `Chunked prefill is enabled with max_num_batched_tokens=${maxNumBatchedTokens}.`);
  }
  await startup.pause(0.1, 'resolve');
}

async function startCore(start: EngineStart): Promise<void> {
  const { settings, log, memory, cardCount } = start;
  log.info(
    'EngineCore',
    'core.py:103',
    `Initializing a V1 LLM engine (v${VERSION}) with config: model='${settings.model}', dtype=${settings.dtype}, max_seq_len=${settings.memory.maxModelLen ?? settings.spec.maxContext}, simulated_gpu='${settings.gpu.name}'`,
  );
  const { gpuCount } = settings.memory;
  if (cardCount === 0) throw new OutOfMemory(noGpu());
  if (cardCount < gpuCount)
    throw engineStartFailure(
      `ValueError: World size (${gpuCount}) is larger than the number of available GPUs (${cardCount}) in this node.`,
    );
  await memory.take('context');
  if (settings.fault === 'busy-vram') {
    const { totalGib } = memory.card.look();
    throw new OutOfMemory(busy(totalGib * 0.31, totalGib, settings.memory.gpuMemoryUtilization));
  }
  const problem = attentionProblem(settings);
  if (problem !== null) throw engineStartFailure(problem);
  const backend = settings.gpu.capability < 8 ? 'TRITON_ATTN' : 'FLASH_ATTN';
  log.info('EngineCore', 'cuda.py:421', `Using ${backend} attention backend out of potential backends: ['${backend}']`);
  await loadWeights(start);
  await compile(start);
  await profile(start);
  await sizeKvCache(start);
  await captureGraphs(start);
  const seconds = (settings.startMs / 1000).toFixed(2);
  log.info(
    'EngineCore',
    'core.py:259',
    `init engine (profile, create kv cache, warmup model) took ${seconds} s (compilation: ${(settings.startMs / 8000).toFixed(2)} s)`,
  );
}

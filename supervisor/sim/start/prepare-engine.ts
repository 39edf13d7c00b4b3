import { cudaOutOfMemory, noKvRoom } from '../card/memory-failure.ts';
import { graphBar } from './progress-bar.ts';
import { OutOfMemory } from './start-memory.ts';
import type { EngineStart } from './engine-start.ts';
import { memoryNeeds } from '../card/memory.ts';

/** The share of a start's time that capturing graphs takes. */
const GRAPH_SHARE = 0.2;
/** How often a start that takes long draws its bar. */
const BAR_MS = 150;

/** A number with commas between its thousands. */
function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** Compiles the model, unless it is to run without. */
export async function compile(start: EngineStart): Promise<void> {
  const { settings, log } = start;
  if (!settings.memory.enforceEager) {
    const seconds = settings.startMs / 1000;
    log.info('EngineCore', 'backends.py:643', `Dynamo bytecode transform time: ${(seconds * 0.04).toFixed(2)} s`);
    await start.pause(0.08, 'compile');
    log.info(
      'EngineCore',
      'backends.py:284',
      `Compiling a graph for compile range (1, ${settings.memory.maxNumBatchedTokens}) takes ${(seconds * 0.08).toFixed(2)} s`,
    );
    log.info('EngineCore', 'monitor.py:34', `torch.compile took ${(seconds * 0.12).toFixed(2)} s in total`);
  }
  await start.pause(0.04, 'compile');
}

/** Tries the largest step, to learn what is left for the KV cache. Throws OutOfMemory. */
export async function profile(start: EngineStart): Promise<void> {
  const { settings, log, memory } = start;
  await memory.take('profile');
  await start.pause(0.02, 'profile');
  await memory.take('sampler');
  await start.pause(0.02, 'profile');
  const { graphsEstimateGib } = memoryNeeds(settings.gpu, settings.spec, settings.memory);
  if (graphsEstimateGib > 0) {
    const sizes = settings.memory.captureSizes;
    log.info('EngineCore', 'gpu_model_runner.py:4495', `Profiling CUDA graph memory: PIECEWISE=${sizes}, FULL=${sizes}`);
    log.info('EngineCore', 'gpu_model_runner.py:4561', `Estimated CUDA graph memory: ${graphsEstimateGib.toFixed(2)} GiB total`);
  }
  await memory.take('profiled');
  if (settings.fault === 'oom-kv') throw new OutOfMemory(noKvRoom(-0.41));
}

/** Gives what is left to the KV cache. Throws OutOfMemory. */
export async function sizeKvCache(start: EngineStart): Promise<void> {
  const { settings, log, memory } = start;
  const { kvCacheGib, maxModelLen, kvCacheTokens } = memory.kv;
  log.info('EngineCore', 'gpu_worker.py:356', `Available KV cache memory: ${kvCacheGib.toFixed(2)} GiB`);
  if (settings.memory.maxModelLen === 'auto') {
    const from = settings.spec.maxContext;
    log.info(
      'EngineCore',
      'kv_cache_utils.py:1660',
      maxModelLen === from
        ? `Auto-fit max_model_len: full model context length ${from} fits in available GPU memory`
        : `Auto-fit max_model_len: reduced from ${from} to ${maxModelLen} to fit in available GPU memory (${kvCacheGib.toFixed(2)} GiB available for KV cache)`,
    );
  }
  const concurrency = (kvCacheTokens / maxModelLen).toFixed(2);
  log.info(
    'EngineCore',
    'kv_cache_utils.py:1307',
    `GPU KV cache size: ${count(kvCacheTokens)} tokens, Maximum concurrency for ${count(maxModelLen)} tokens per request: ${concurrency}x`,
  );
  await start.pause(0, 'kv');
  await memory.take('kv');
}

/** Captures CUDA graphs, each of which takes memory, and makes the first step. Throws OutOfMemory. */
export async function captureGraphs(start: EngineStart): Promise<void> {
  const { settings, log, memory } = start;
  const forced = settings.fault === 'oom-graph';
  const sizes = settings.memory.enforceEager ? Number(forced) : Math.max(1, settings.memory.captureSizes);
  if (sizes === 0) {
    await start.pause(GRAPH_SHARE, 'graphs');
    await memory.take('graphs');
  }
  const bars = Math.min(sizes, Math.max(2, Math.round((settings.startMs * GRAPH_SHARE) / BAR_MS)));
  for (let bar = 0; bar <= bars && sizes > 0; bar++) {
    const done = Math.round((sizes * bar) / bars);
    log.progress('EngineCore', graphBar(done, sizes, ((settings.startMs / 1000) * GRAPH_SHARE * bar) / bars));
    if (bar < bars) await start.pause(GRAPH_SHARE / bars, 'graphs');
    if (forced && bar > 0) {
      log.stderr('EngineCore', '');
      throw new OutOfMemory({ kind: 'oom-graph', message: cudaOutOfMemory(0.03, { ...memory.card.look(), freeGib: 0.02 }) });
    }
    if (bar === 0) continue;
    await memory.take('graphs', bar / bars).catch((error: unknown) => {
      log.stderr('EngineCore', '');
      throw error;
    });
  }
  if (sizes > 0) {
    const { graphsGib, graphsEstimateGib } = memoryNeeds(settings.gpu, settings.spec, settings.memory);
    const seconds = Math.max(1, Math.round((settings.startMs * GRAPH_SHARE) / 1000));
    log.stderr('EngineCore', '');
    log.info('EngineCore', 'gpu_model_runner.py:4587', `Graph capturing finished in ${seconds} secs, took ${graphsGib.toFixed(2)} GiB`);
    log.info(
      'EngineCore',
      'gpu_worker.py:540',
      `CUDA graph pool memory: ${graphsGib.toFixed(2)} GiB (actual), ${graphsEstimateGib.toFixed(2)} GiB (estimated)`,
    );
  }
  await start.pause(0, 'warm-up');
}

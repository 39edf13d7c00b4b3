import { cudaOutOfMemory, LOAD_HINT } from '../card/memory-failure.ts';
import { memoryNeeds } from '../card/memory.ts';
import { shardBar } from './progress-bar.ts';
import { engineKilledInStart } from './start-failure.ts';
import { OutOfMemory } from './start-memory.ts';
import type { EngineStart } from './engine-start.ts';

/** Of the time that a start takes. */
const LOOK_SHARE = 6;

/** The share of a start's time that loading takes. */
const SHARE = 0.45;
const SHARD_GIB = 4.6;
/** A start that takes long has enough shards for one to be loaded this often. */
const SHARD_MS = 500;

/** Reads the weights, shard by shard, each of which takes its part of the memory. Throws OutOfMemory and StartFailure. */
export async function loadWeights(start: EngineStart): Promise<void> {
  const { settings, log, memory } = start;
  const { spec, startMs } = settings;
  const shards = Math.max(1, Math.ceil(spec.weightsGib / SHARD_GIB), Math.round((startMs * SHARE) / SHARD_MS));
  const secondsAt = (shard: number): number => ((startMs / 1000) * SHARE * shard) / shards;
  log.info('EngineCore', 'gpu_model_runner.py:3562', `Starting to load model ${settings.model}...`);
  for (let shard = 0; shard <= shards; shard++) {
    log.progress('EngineCore', shardBar(shard, shards, secondsAt(shard)));
    if (shard < shards) await start.pause(SHARE / shards, 'weights');
    if (shard >= shards / 2) await strike(start);
    if (shard > 0) await memory.take('weights', shard / shards).catch((error: unknown) => failed(start, error));
  }
  log.stderr('EngineCore', '');
  const { weightsGib } = memoryNeeds(settings.gpu, spec, settings.memory);
  const seconds = secondsAt(shards).toFixed(2);
  log.info('EngineCore', 'default_loader.py:314', `Loading weights took ${seconds} seconds`);
  log.info('EngineCore', 'gpu_model_runner.py:3659', `Model loading took ${weightsGib.toFixed(2)} GiB memory and ${seconds} seconds`);
}

async function strike(start: EngineStart): Promise<void> {
  const { settings, log, memory } = start;
  if (settings.fault === 'oom-weights') {
    failed(start, new OutOfMemory({ kind: 'oom-weights', message: cudaOutOfMemory(0.22, { ...memory.card.look(), freeGib: 0.11 }) }));
  }
  if (settings.fault !== 'host-oom') return;
  log.stderr('EngineCore', '');
  start.killEngine();
  // Nobody tells the front end: 0.32.0 looked after ten seconds, which is a while after the rest of such a start.
  await start.pause(LOOK_SHARE, 'weights');
  throw engineKilledInStart();
}

function failed(start: EngineStart, error: unknown): never {
  start.log.stderr('EngineCore', '');
  // vLLM's second runner adds nothing to PyTorch's own words.
  if (error instanceof OutOfMemory && !start.settings.secondRunner) {
    const original = error.message.replace(/^[\w.]+: /, '');
    start.log.error('EngineCore', 'gpu_model_runner.py:3593', `${LOAD_HINT} (original error: ${original})`);
  }
  throw error;
}

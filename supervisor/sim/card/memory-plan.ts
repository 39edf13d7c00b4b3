import type { SimulatedGpu } from './simulated-gpu.ts';
import { kvBytesPerRequest, longestFit } from './kv-cache.ts';
import { busy, cannotAutoFit, cudaOutOfMemory, kvTooSmall, noKvRoom, profilingDisturbed, samplerOutOfMemory } from './memory-failure.ts';
import type { CardState, MemoryFailure } from './memory-failure.ts';
import { GIB, memoryNeeds } from './memory.ts';
import type { MemoryPlan, MemorySettings } from './memory.ts';
import type { SimulatedModel } from '../model/simulated-model.ts';

/** The points of a start at which the engine core holds more, or less, than before. */
export type MemoryPhase = 'context' | 'weights' | 'profile' | 'sampler' | 'profiled' | 'kv' | 'graphs';

/** What the engine core is to hold now, on each of its cards. */
export interface Demand {
  readonly phase: MemoryPhase;
  readonly holdGib: number;
  /** What the KV cache came to, once that is known. */
  readonly kv?: KvFit;
}

/** A KV cache that is large enough. */
export interface KvFit {
  readonly kvCacheGib: number;
  readonly maxModelLen: number;
  readonly numGpuBlocks: number;
  readonly kvCacheTokens: number;
}

/** What became of a demand; if it was not granted, what was held before is still held. */
export interface Grant extends CardState {
  readonly granted: boolean;
}

/**
 * A start of vLLM as far as memory goes: yields what it wants to hold, phase by phase, takes in what it was given, and returns where
 * the memory went or why the start fails. Profiling compares what is free before and after, as vLLM's does. So memory that others take
 * or give back meanwhile counts too.
 */
export function* memoryDemands(
  gpu: SimulatedGpu,
  model: SimulatedModel,
  settings: MemorySettings,
): Generator<Demand, MemoryPlan | MemoryFailure, Grant> {
  const needs = memoryNeeds(gpu, model, settings);
  const first = yield { phase: 'context', holdGib: needs.contextGib };
  if (!first.granted || (settings.kvCacheMemoryBytes === null && first.freeGib < needs.requestedGib)) {
    return busy(first.freeGib, needs.totalGib, settings.gpuMemoryUtilization);
  }
  const loadedGib = needs.contextGib + needs.weightsGib;
  const loading = yield { phase: 'weights', holdGib: loadedGib };
  if (!loading.granted) return { kind: 'oom-weights', message: cudaOutOfMemory(needs.weightsGib / model.layers, loading) };
  const settledGib = loadedGib + needs.nonTorchGib;
  const profile = yield { phase: 'profile', holdGib: settledGib + needs.layersGib };
  if (!profile.granted) return { kind: 'oom-profile', message: cudaOutOfMemory(needs.layersGib / 2, profile) };
  const sampler = yield { phase: 'sampler', holdGib: settledGib + needs.layersGib + needs.samplerGib };
  if (!sampler.granted) return samplerOutOfMemory(settings.maxNumSeqs);
  const profiled = yield { phase: 'profiled', holdGib: settledGib };
  if (profiled.freeGib >= first.freeGib) return profilingDisturbed(first.freeGib, profiled.freeGib);

  const activationsGib = needs.layersGib + needs.samplerGib;
  const consumedGib = first.freeGib - profiled.freeGib;
  const kvCacheGib =
    settings.kvCacheMemoryBytes === null
      ? needs.requestedGib - consumedGib - activationsGib - needs.graphsEstimateGib
      : settings.kvCacheMemoryBytes / GIB;
  const fitted = fitLength(model, settings, kvCacheGib);
  if ('kind' in fitted) return fitted;
  // PyTorch keeps the memory of the trial step for the steps to come; the card never sees it free again.
  const cachedGib = settledGib + activationsGib + kvCacheGib;
  const kv = yield { phase: 'kv', holdGib: cachedGib, kv: fitted };
  if (!kv.granted) return { kind: 'oom-kv-allocation', message: cudaOutOfMemory(kvCacheGib / model.layers, kv), kvCacheGib };
  const graphs = yield { phase: 'graphs', holdGib: cachedGib + needs.graphsGib };
  if (!graphs.granted) return { kind: 'oom-graph', message: cudaOutOfMemory(0.03, graphs), kvCacheGib };
  return { ...needs, activationsGib, heldGib: cachedGib + needs.graphsGib, ...fitted };
}

export function isMemoryFailure(result: MemoryPlan | MemoryFailure): result is MemoryFailure {
  return 'kind' in result;
}

function fitLength(model: SimulatedModel, settings: MemorySettings, kvCacheGib: number): KvFit | MemoryFailure {
  if (kvCacheGib <= 0) return noKvRoom(kvCacheGib);
  const bytes = kvCacheGib * GIB;
  const wanted = typeof settings.maxModelLen === 'number' ? settings.maxModelLen : model.maxContext;
  const longest = longestFit(model, settings, bytes, wanted);
  const maxModelLen = settings.maxModelLen === 'auto' ? longest : wanted;
  if (maxModelLen <= 0) return cannotAutoFit(kvCacheGib);
  const needed = kvBytesPerRequest(model, settings, maxModelLen);
  if (needed > bytes) return kvTooSmall(maxModelLen, needed / GIB, kvCacheGib, longest);
  const perRequest = Math.ceil(maxModelLen / settings.blockSize);
  const numGpuBlocks = settings.numGpuBlocksOverride ?? Math.floor((bytes / needed) * perRequest);
  return { kvCacheGib, maxModelLen, numGpuBlocks, kvCacheTokens: numGpuBlocks * settings.blockSize };
}

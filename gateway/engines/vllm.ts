import { readVersion } from '../vllm/answers.ts';
import { readMetrics } from '../vllm/metrics.ts';
import { sightOfStatus } from '../vllm/sight.ts';
import { fromWorkerError, tellsEngineDeath, tellsShutdown } from '../vllm/worker-error.ts';
import type { EngineAdapter } from './adapter.ts';

/** vLLM, and the simulated engine, which behaves as it does. What is said of others is said in its terms. */
export const VLLM: EngineAdapter = {
  kind: 'vllm',
  name: 'vLLM',
  health: { path: '/health', timeoutMs: 5_000, sightOf: sightOfStatus },
  lookMs: 5_000,
  loads: [{ path: '/metrics', timeoutMs: 2_000, read: readMetrics, isWitness: true }],
  version: { path: '/version', read: readVersion },
  routes: null,
  drops: [],
  lacks: [],
  asksUsage: true,
  errors: { from: fromWorkerError, tellsDeath: tellsEngineDeath, tellsShutdown },
};

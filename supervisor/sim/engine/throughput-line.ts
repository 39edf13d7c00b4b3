import type { Engine } from './engine.ts';
import type { Log } from '../settings/log.ts';

/** What was counted when the last line was due. */
export interface ThroughputMark {
  readonly promptTokens: number;
  readonly generationTokens: number;
}

/** Writes vLLM's line about its throughput since `before`, `seconds` ago; an idle engine gets no line. @returns the mark for the next line */
export function logThroughput(engine: Engine, log: Log, before: ThroughputMark, seconds: number): ThroughputMark {
  const { metrics, scheduler, gauges } = engine;
  const { promptTokens, generationTokens } = metrics;
  if (promptTokens > before.promptTokens || generationTokens > before.generationTokens || gauges.running > 0) {
    const hits = scheduler.prefixQueries === 0 ? 0 : scheduler.prefixHits / scheduler.prefixQueries;
    const rate = (now: number, then: number): string => ((now - then) / seconds).toFixed(1);
    log.info(
      'APIServer',
      'loggers.py:259',
      `Engine 000: Avg prompt throughput: ${rate(promptTokens, before.promptTokens)} tokens/s, Avg generation throughput: ` +
        `${rate(generationTokens, before.generationTokens)} tokens/s, Running: ${gauges.running} reqs, Waiting: ${gauges.waiting} reqs, ` +
        `GPU KV cache usage: ${(gauges.kvUsage * 100).toFixed(1)}%, Prefix cache hit rate: ${(hits * 100).toFixed(1)}%`,
    );
  }
  return { promptTokens, generationTokens };
}

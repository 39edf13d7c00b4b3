import { getHeapStatistics } from 'node:v8';
import type { Clock } from '../core/clock.ts';
import type { EventLoopMonitor } from './metrics/event-loop.ts';
import { rounded } from './events/request-line.ts';

interface RuntimeFacts {
  readonly version: string;
  readonly clock: Clock;
  /** Monotonic ms at which the process began to serve. */
  readonly startedAt: number;
  readonly loop: EventLoopMonitor;
}

const MICROSECONDS_PER_SECOND = 1e6;
const MS_PER_SECOND = 1000;

/** The body of GET /debug/runtime: the process alone, read at once, nothing of its traffic. */
export function runtimeBody({ version, clock, startedAt, loop }: RuntimeFacts) {
  const cpu = process.cpuUsage();
  const memory = process.memoryUsage();
  const delay = loop.read();
  return {
    version,
    node: process.versions.node,
    pid: process.pid,
    platform: `${process.platform} ${process.arch}`,
    uptime_seconds: rounded((clock.now() - startedAt) / MS_PER_SECOND),
    cpu: { user_seconds: cpu.user / MICROSECONDS_PER_SECOND, system_seconds: cpu.system / MICROSECONDS_PER_SECOND },
    memory: {
      rss_bytes: memory.rss,
      heap_used_bytes: memory.heapUsed,
      heap_total_bytes: memory.heapTotal,
      heap_limit_bytes: getHeapStatistics().heap_size_limit,
      external_bytes: memory.external,
      array_buffers_bytes: memory.arrayBuffers,
    },
    event_loop_delay: {
      mean_ms: rounded(delay.meanMs),
      p50_ms: rounded(delay.p50Ms),
      p99_ms: rounded(delay.p99Ms),
      max_ms: rounded(delay.maxMs),
    },
    active_resources: counted(process.getActiveResourcesInfo()),
  };
}

function counted(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

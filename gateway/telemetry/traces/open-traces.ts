import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../core/log/log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { LossLog } from './loss-log.ts';
import { openOtlpSender, tracesUrl } from './otlp-sender.ts';
import { SpanQueue } from './span-queue.ts';
import { Tracer } from './tracer.ts';

interface TracesOptions {
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'>;
  readonly metrics: Pick<Metrics, 'counters'>;
  readonly newId: () => string;
  /** No other process of any gateway has the same. */
  readonly instance: string;
  readonly pid: number;
  readonly version: string;
  readonly settings: {
    readonly otlp_endpoint: string | null;
    readonly headers: Readonly<Record<string, string>>;
    readonly service_name: string;
    readonly sample_ratio: number;
    readonly slow_ms: number;
    readonly trust_incoming: boolean;
  };
  /** Where a worker is; null: it is gone. */
  readonly urlOf: (worker: string) => string | null;
}

export interface Traces {
  readonly tracer: Tracer;
  /** What has not been sent is sent, within two seconds. */
  close(): Promise<void>;
}

/** How long the last spans may take, after the last request has ended. */
const LAST_SPANS_MS = 2_000;

/** Everything that traces; null where no collector is set, and then nothing of it is loaded. */
export async function openTraces(options: TracesOptions): Promise<Traces | null> {
  const { clock, log, newId, instance, pid, version, settings, urlOf } = options;
  const { otlp_endpoint: endpoint, headers } = settings;
  if (endpoint === null) return null;
  const { traces_total: kept, spans_exported_total: sent, spans_lost_total: lost } = options.metrics.counters;
  const losses = new LossLog(log, clock, tracesUrl(endpoint));
  const { sender, origin } = await openOtlpSender({
    ...{ clock, endpoint, headers, serviceName: settings.service_name, version, instance, pid },
  });
  const queue = new SpanQueue({
    ...{ clock, sender },
    onSent: (spans) => sent.add(spans),
    onLost(reason, spans, words) {
      lost.add(spans, reason);
      losses.lost(reason, spans, words);
    },
  });
  const tracer = new Tracer({
    ...{ clock, newId, queue, maker: { origin, urlOf }, onKept: (why) => kept.add(1, why) },
    ...{ sampleRatio: settings.sample_ratio, slowMs: settings.slow_ms, trustIncoming: settings.trust_incoming },
  });
  return {
    tracer,
    async close() {
      await queue.close(LAST_SPANS_MS);
      losses.close();
    },
  };
}

import { collectDefaultMetrics, type Counter, Gauge, Registry } from 'prom-client';
import type { Clock } from '../../core/clock.ts';
import type { EventLoopMonitor } from './event-loop.ts';
import { GAUGES } from './gauges.ts';
import { METRIC_PREFIX, METRICS } from './table.ts';
import type { CounterName, GaugeName, HistogramName, MetricName, MetricRow } from './table.ts';
import type { Ledger, MetricSources } from './sources.ts';
import { MAX_SERIES, meterOf, tallyOf } from './series.ts';
import type { Meter, Tally } from './series.ts';

export interface Metrics {
  readonly registry: Registry;
  readonly counters: Readonly<Record<CounterName, Tally>>;
  readonly histograms: Readonly<Record<HistogramName, Meter>>;
  readonly ledger: Ledger;
  readonly loop: EventLoopMonitor;
  /** Says where gauges are to be read. May be called again as the parts come to be; what is not given stays. */
  attach(sources: Partial<MetricSources>): void;
  /** The label for a model: its id if the directory knows it, else `unknown`. */
  modelLabel(model: string): string;
}

interface MetricsOptions {
  readonly clock: Clock;
  readonly loop: EventLoopMonitor;
  readonly version: string;
  /** As in `process.version`, without the v. */
  readonly nodeVersion: string;
  /** Adds prom-client's `process_*` and `nodejs_*`. Default true. */
  readonly processMetrics?: boolean;
}

export const UNKNOWN_LABEL = 'unknown';

/** prom-client's own gauges that end in `_total`, which the linter refuses; `nodejs_active_resources` and its like say the same. */
const MISNAMED_DEFAULTS = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

/**
 * The registry of one gateway and the handles to its metrics. Counters and histograms are written as things happen;
 * gauges are read from their sources at each scrape, nothing is polled.
 */
export function createMetrics(options: MetricsOptions): Metrics {
  // The registry speaks OpenMetrics for good: see exposition.ts. (The type of the method knows only the other format.)
  const registry = new Registry();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as unknown as typeof Registry.PROMETHEUS_CONTENT_TYPE);
  const ledger: Ledger = {
    lastReloadOk: true,
    shutdownMs: 0,
    canaryShare: 0,
    retries: 0,
    inputTokens: 0,
    outputTokens: 0,
    cachedTokens: 0,
  };
  let sources: MetricSources = { directory: null, figures: null, supervisor: () => null };
  const models = new Set<string>();
  const counters: Partial<Record<CounterName, Tally>> = {};
  const histograms: Partial<Record<HistogramName, Meter>> = {};

  for (const name of Object.keys(METRICS) as MetricName[]) {
    const row: MetricRow = METRICS[name];
    const base = { name: METRIC_PREFIX + name, help: row.help, labelNames: [...row.labels], registers: [registry] };
    if (row.kind === 'counter') {
      const tally = addCounter(base, row.zeroEach ?? []);
      for (const labels of row.zero ?? []) tally.add(0, ...labels);
      counters[name as CounterName] = tally;
    } else if (row.kind === 'histogram') {
      histograms[name as HistogramName] = meterOf({ ...base, buckets: [...row.buckets] });
    } else {
      addGauge(name as GaugeName, { ...base, aggregator: row.across });
    }
  }

  function addCounter(base: ConstructorParameters<typeof Counter>[0], zeroEach: readonly (readonly string[])[]): Tally {
    const worker = base.labelNames?.indexOf('worker') ?? -1;
    const tally: Tally = tallyOf({
      ...base,
      // A worker that is gone leaves the page, or a fleet that comes and goes would fill it.
      collect() {
        const { directory } = sources;
        if (worker < 0 || !directory) return;
        const ids = new Set(directory.workers().map((present) => present.id));
        tally.dropUnless(worker, (id) => ids.has(id));
        for (const id of ids) for (const labels of zeroEach) tally.add(0, id, ...labels);
      },
    });
    return tally;
  }

  function addGauge(name: GaugeName, base: ConstructorParameters<typeof Gauge>[0]): void {
    const read = GAUGES[name];
    const gauge: Gauge = new Gauge({
      ...base,
      collect() {
        gauge.reset();
        // prom-client gives a gauge without labels a 0 of its own, which would tell of what nobody has read.
        if (base.labelNames?.length === 0) gauge.remove();
        const facts = { ...sources, ledger, clock: options.clock, loop: options.loop, build: options };
        let room = MAX_SERIES;
        read(facts, (value, ...labels) => {
          if (room-- > 0) gauge.labels(...labels).set(value);
        });
      },
    });
  }

  if (options.processMetrics !== false) {
    collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 20 });
    for (const name of MISNAMED_DEFAULTS) registry.removeSingleMetric(name);
  }

  return {
    registry,
    counters: counters as Record<CounterName, Tally>,
    histograms: histograms as Record<HistogramName, Meter>,
    ledger,
    loop: options.loop,
    attach(more) {
      sources = { ...sources, ...more };
    },
    modelLabel(model) {
      if (models.has(model)) return model;
      if (!sources.directory?.models().some((entry) => entry.id === model)) return UNKNOWN_LABEL;
      models.add(model);
      return model;
    },
  };
}

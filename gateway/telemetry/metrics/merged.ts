import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue, Registry } from 'prom-client';
import type { Exemplar } from './distribution.ts';

type Marked = MetricValue<string> & { exemplar?: Exemplar | null };

/** All metrics of one process, as data. */
export type MetricPage = readonly MetricObjectWithValues<MetricValue<string>>[];

/** What prom-client has to say of a process, where its own rule says nothing of use: what is worst, and when the first of them began. */
const OF_PROCESSES: Readonly<Record<string, 'min' | 'max'>> = {
  process_start_time_seconds: 'min',
  nodejs_eventloop_lag_seconds: 'max',
  nodejs_eventloop_lag_mean_seconds: 'max',
  nodejs_eventloop_lag_stddev_seconds: 'max',
  nodejs_eventloop_lag_p50_seconds: 'max',
  nodejs_eventloop_lag_p90_seconds: 'max',
  nodejs_eventloop_lag_p99_seconds: 'max',
};

/** One page of several processes. Of a gauge that all see alike the first page that has a series speaks. */
export function mergedPage(pages: readonly MetricPage[]): Registry {
  const ruled = pages.map((page) =>
    page.map((metric) => ({ ...metric, name: bare(metric), aggregator: OF_PROCESSES[metric.name] ?? metric.aggregator })),
  );
  // The type knows only the other format; see metrics.ts.
  const openMetrics = Registry.OPENMETRICS_CONTENT_TYPE as unknown as typeof Registry.PROMETHEUS_CONTENT_TYPE;
  const merged = AggregatorRegistry.aggregate(ruled as unknown as object[]) as Registry;
  merged.setContentType(openMetrics);
  markNewest(merged, pages);
  return merged;
}

/** Sums have no exemplars of their own: of each bucket the newest of those that the processes show. */
function markNewest(merged: Registry, pages: readonly MetricPage[]): void {
  const newest = new Map<string, Exemplar>();
  for (const metric of pages.flat()) {
    for (const value of metric.values as readonly Marked[]) {
      const { exemplar } = value;
      if (!exemplar) continue;
      const key = keyOf(value);
      if ((newest.get(key)?.timestamp ?? -Infinity) < exemplar.timestamp) newest.set(key, exemplar);
    }
  }
  if (newest.size === 0) return;
  for (const metric of merged.getMetricsAsArray() as unknown as readonly { readonly type: unknown; readonly values: Marked[] }[]) {
    if (String(metric.type) !== 'histogram') continue;
    for (const value of metric.values) {
      const exemplar = newest.get(keyOf(value));
      if (exemplar) value.exemplar = exemplar;
    }
  }
}

/**
 * What processes that are gone have counted, as a page of its own, so that no sum ever goes down: `page` is the last that one of them has
 * shown. Series of workers that nobody has any more are left out, as they are elsewhere.
 */
export function remembered(gone: MetricPage, page: MetricPage, hasWorker: (worker: string) => boolean): MetricPage {
  const counts = new Map<string, MetricObjectWithValues<MetricValue<string>>>();
  for (const metric of [...gone, ...page]) {
    if (String(metric.type) !== 'counter' && String(metric.type) !== 'histogram') continue;
    const known = counts.get(metric.name);
    const values = known?.values ?? [];
    const byKey = new Map(values.map((value) => [keyOf(value), value]));
    for (const value of metric.values) {
      const { worker } = value.labels;
      if (worker !== undefined && !hasWorker(String(worker))) continue;
      const key = keyOf(value);
      byKey.set(key, { ...value, value: value.value + (byKey.get(key)?.value ?? 0) });
    }
    counts.set(metric.name, { ...metric, values: [...byKey.values()] });
  }
  return [...counts.values()];
}

/** In OpenMetrics the suffix is the series' and not the metric's; prom-client takes it off where it renders metrics of its own alone. */
function bare({ name, type }: MetricPage[number]): string {
  return String(type) === 'counter' ? name.replace(/_total$/, '') : name;
}

/** Of a histogram each value says which of its series it is. */
function keyOf(value: MetricValue<string> & { readonly metricName?: string }): string {
  const labels = Object.entries(value.labels).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([value.metricName, labels]);
}

import type { Registry } from 'prom-client';
import type { Clock } from '../core/clock.ts';
import { jsonBytes } from './bounded.ts';
import { allowed, type LeafRule } from './veil/rule.ts';
import type { Pace } from './pace.ts';
import type { Veil } from './veil/veil.ts';

/** What a label may say. Names of keys and ids of others' workers get a stand-in; those of models, which operators choose, are shown. */
const LABELS: Readonly<Record<string, LeafRule>> = {
  batch: 'id',
  change: 'word',
  class: 'word',
  code: 'word',
  decision: 'word',
  direction: 'word',
  dtype: 'word',
  engine: 'word',
  from: 'word',
  gpu: 'gpu',
  kept: 'word',
  key: 'key',
  kind: 'word',
  limit: 'word',
  method: 'word',
  model: 'model',
  fallback: 'model',
  model_size: 'word',
  node: 'word',
  outcome: 'word',
  phase: 'word',
  pp: 'word',
  priority: 'word',
  profile: 'model',
  quantization: 'word',
  reason: 'text',
  result: 'word',
  route: 'text',
  source: 'name',
  stage: 'word',
  state: 'word',
  status: 'word',
  to: 'word',
  tp: 'word',
  tuning: 'model',
  version: 'word',
  what: 'word',
  worker: 'worker',
  // Of prom-client.
  le: 'word',
  quantile: 'word',
  type: 'word',
  space: 'word',
  major: 'plain',
  minor: 'plain',
  patch: 'plain',
};

export function isKnownLabel(name: string): boolean {
  return Object.hasOwn(LABELS, name);
}

interface Series {
  readonly metricName?: string;
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
}

/** What stands around each line: its indent, a comma and a break. */
const LINE_BYTES = 8;

/** A card's index says nothing; an id does. */
const INDEX = /^\d{1,3}$/;

/** The metrics as lines, without buckets that hold nothing new, up to so many bytes. @returns null for `cut`: all of them */
export async function metricsPart(registry: Registry, veil: Veil, clock: Clock, pace: Pace, mostBytes: number) {
  const lines: string[] = [];
  let bytes = 0;
  let missing = 0;
  for (const metric of registry.getMetricsAsArray()) {
    const { name, values } = (await (metric as unknown as { get(): Promise<unknown> }).get()) as {
      name: string;
      values: readonly Series[];
    };
    await pace.rest();
    let last: Series | null = null;
    for (const series of values) {
      // A bucket holds those before it: where it adds none it says nothing.
      const isEmptyBucket =
        'le' in series.labels && (series.value === 0 || (last !== null && 'le' in last.labels && last.value === series.value));
      last = series;
      if (isEmptyBucket) continue;
      const line = `${series.metricName ?? name}${labelsText(series.labels, veil)} ${series.value}`;
      const takes = jsonBytes(line) + LINE_BYTES;
      if (bytes + takes > mostBytes) {
        missing += 1;
        continue;
      }
      bytes += takes;
      lines.push(line);
      await pace.rest();
    }
  }
  return { taken_at: new Date(clock.wall()).toISOString(), lines, cut: missing === 0 ? null : `${missing} series more` };
}

function labelsText(labels: Series['labels'], veil: Veil): string {
  const shown = Object.entries(labels).flatMap(([name, value]) => {
    const rule = isKnownLabel(name) ? LABELS[name]! : null;
    if (rule === null) return [];
    const text = rule === 'gpu' && INDEX.test(String(value)) ? value : allowed(value, rule, veil);
    return text === undefined ? [] : [`${name}="${String(text)}"`];
  });
  return shown.length === 0 ? '' : `{${shown.join(',')}}`;
}

import type { CallRecord } from '../calls/call-record.ts';
import type { Endpoint } from '../calls/target.ts';
import type { Distribution } from './distribution.ts';
import type { Summary } from './summary.ts';

interface Asked {
  readonly startedAt: number;
  readonly endpoint: Endpoint;
  readonly model: string;
  readonly label: string | null;
  /** null: as fast as clients can. */
  readonly requestRate: number | null;
  readonly burstiness: number | null;
  readonly mostAtOnce: number | null;
}

/** What `vllm bench serve --backend` calls that which asks such an endpoint. */
const BACKENDS: Readonly<Record<Endpoint, string>> = { chat: 'openai-chat', completions: 'openai', embeddings: 'openai-embeddings' };

/** The result by the keys of `vllm bench serve --save-result`, so that what reads those reads this too. Times in milliseconds. */
export function vllmKeys(summary: Summary, records: readonly CallRecord[], asked: Asked): Record<string, unknown> {
  const { mostTokens, mostCalls } = peaks(records);
  return {
    date: new Date(asked.startedAt).toISOString().replaceAll(/[-:]/g, '').replace('T', '-').slice(0, 15),
    // vLLM writes the same under both names.
    endpoint_type: BACKENDS[asked.endpoint],
    backend: BACKENDS[asked.endpoint],
    label: asked.label,
    model_id: asked.model,
    tokenizer_id: asked.model,
    num_prompts: summary.calls,
    request_rate: asked.requestRate ?? 'inf',
    burstiness: asked.burstiness,
    max_concurrency: asked.mostAtOnce,
    duration: summary.durationMs / 1000,
    completed: summary.ok,
    failed: summary.errors,
    total_input_tokens: summary.inputTokens,
    total_output_tokens: summary.outputTokens,
    request_throughput: summary.requestRate,
    request_goodput: summary.goodput,
    output_throughput: summary.outputTokenRate,
    total_token_throughput: summary.totalTokenRate,
    max_output_tokens_per_s: mostTokens,
    max_concurrent_requests: mostCalls,
    ...ofOne('ttft', summary.ttft),
    ...ofOne('tpot', summary.tpot),
    ...ofOne('itl', summary.itl),
    ...ofOne('e2el', summary.e2e),
  };
}

function ofOne(name: string, { mean, p50, std, p90, p95, p99 }: Distribution): Record<string, number | null> {
  const figures = { mean, median: p50, std, p50, p90, p95, p99 };
  return Object.fromEntries(Object.entries(figures).map(([key, value]) => [`${key}_${name}_ms`, Number.isNaN(value) ? null : value]));
}

/** The fullest second: tokens that came, and calls that were under way, within it. */
function peaks(records: readonly CallRecord[]): { readonly mostTokens: number; readonly mostCalls: number } {
  const tokens = new Map<number, number>();
  const calls = new Map<number, number>();
  for (const { sentMs, endMs, tokensAt, outcome } of records) {
    if (outcome !== 'ok') continue;
    for (const at of tokensAt) add(tokens, Math.floor(at / 1000));
    for (let second = Math.floor(sentMs / 1000); second <= Math.floor(endMs / 1000); second++) add(calls, second);
  }
  return { mostTokens: most(tokens), mostCalls: most(calls) };
}

function add(counts: Map<number, number>, key: number): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function most(counts: ReadonlyMap<number, number>): number {
  return [...counts.values()].reduce((a, b) => Math.max(a, b), 0);
}

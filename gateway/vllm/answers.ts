import { z } from 'zod';
import type { ServedModel } from '../core/worker.ts';

/** A look at how much an engine has done. */
export interface Beat {
  readonly running: number;
  /** Requests that it has and has not begun. */
  readonly waiting: number;
  /** Requests in the hands of its HTTP server, whatever its engine does; absent where they are not counted. */
  readonly load?: number;
  /** Every token it has read or written so far, or any other count that only work moves. */
  readonly tokens: number;
}

const modelList = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      root: z.string().nullish(),
      parent: z.string().nullish(),
      max_model_len: z.number().nullish(),
    }),
  ),
});

/** What GET /v1/models says. @throws Error when it is not such a list, or our model is not in it */
export function readModels(body: string, modelId: string): readonly ServedModel[] {
  const models = modelList.parse(JSON.parse(body)).data.map((model) => ({
    id: model.id,
    root: model.root ?? null,
    parent: model.parent ?? null,
    maxModelLen: model.max_model_len ?? null,
  }));
  if (!models.some((model) => model.id === modelId)) throw new Error(`it does not list ${modelId}`);
  return models;
}

/** What GET /version says. @throws Error when it says nothing */
export function readVersion(body: string): string {
  return z.object({ version: z.string() }).parse(JSON.parse(body)).version;
}

/** What GET /is_sleeping says. @throws Error when it says nothing */
export function readSleeping(body: string): boolean {
  return z.object({ is_sleeping: z.boolean() }).parse(JSON.parse(body)).is_sleeping;
}

/** @throws Error when an answer to a request for one token, or one embedding, holds neither */
export function checkGenerated(body: string): void {
  const answer = JSON.parse(body) as { choices?: unknown[]; data?: unknown[] } | null;
  if (!(answer?.choices ?? answer?.data)?.length) throw new Error('its answer is empty');
}

const RUNNING = /^vllm:num_requests_running(?:\{.*\})? ([\d.e+]+)/gm;
const WAITING = /^vllm:num_requests_waiting(?:\{.*\})? ([\d.e+]+)/gm;
/** What only work moves. The third is a histogram, whatever its name says. */
const WORK = /^vllm:(?:generation_tokens_total|prompt_tokens_total|iteration_tokens_total_count)(?:\{.*\})? ([\d.e+]+)/gm;

/** What GET /metrics says of progress; null when it does not count. */
export function readBeat(page: string): Beat | null {
  const running = sum(page, RUNNING);
  const tokens = sum(page, WORK);
  return running === null || tokens === null ? null : { running, waiting: sum(page, WAITING) ?? 0, tokens };
}

/** What GET /load says: requests in hand; never less than none, though vLLM miscounts some that leave. @throws Error when it says nothing */
export function readLoad(body: string): number {
  return Math.max(0, z.object({ server_load: z.number() }).parse(JSON.parse(body)).server_load);
}

function sum(page: string, sample: RegExp): number | null {
  let total: number | null = null;
  for (const match of page.matchAll(sample)) total = (total ?? 0) + Number(match[1]);
  return total;
}

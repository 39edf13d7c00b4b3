import { isObject, parsed } from '../core/json/json.ts';
import type { EngineFigures } from '../vllm/metrics.ts';
import type { EngineAdapter } from './adapter.ts';
import { errorReader, type Meant } from './error-reader.ts';
import { ofVllmAlone } from './fields.ts';
import { gaugePage } from './gauge-page.ts';
import { same } from './routes.ts';
import { readSaid, type Said } from './said.ts';

/** null where it was started without --metrics. */
const readMetrics = gaugePage({
  running: '\nllamacpp:requests_processing',
  waiting: '\nllamacpp:requests_deferred',
  kvUsage: null,
  work: ['\nllamacpp:prompt_tokens_total', '\nllamacpp:tokens_predicted_total', '\nllamacpp:n_decode_total'],
});

/**
 * llama-server (tools/server of llama.cpp, of October 2026). Until its model is loaded it answers everything with 503 "Loading model". Its
 * cache is shared out among its slots, and what fills it can be thrown out at any time: no share of it tells pressure.
 */
export const LLAMA_CPP: EngineAdapter = {
  kind: 'llama-cpp',
  name: 'llama.cpp',
  health: {
    path: '/health',
    timeoutMs: 5_000,
    sightOf: (status, body) => (isLoading(status, readSaid(body)) ? 'loading' : status === 503 ? 'dead' : 'answered'),
  },
  lookMs: 5_000,
  loads: [
    { path: '/metrics', timeoutMs: 2_000, read: readMetrics },
    // To ask for its slots wakes a server that unloads its model when it is idle.
    { path: '/slots', timeoutMs: 2_000, read: readSlots, whileBusy: true },
  ],
  version: { path: '/props', read: readBuild },
  routes: same(
    ['/v1/chat/completions', '/v1/completions', '/v1/responses', '/v1/messages', '/v1/messages/count_tokens', '/v1/embeddings'],
    ['/v1/rerank', '/rerank', '/v1/audio/transcriptions'],
  ),
  drops: ['priority'],
  lacks: [...ofVllmAlone, 'prompt_logprobs', 'allowed_token_ids', 'bad_words', 'min_tokens'],
  // Its last event tells what was counted, in its own words (`timings`), and would not if it were asked for the usage besides.
  asksUsage: false,
  errors: errorReader({ meant, tooLong: /exceeds? (?:the )?available context size|larger than the max context size|too large to process/ }),
  advice: 'Start it with --metrics.',
};

function meant(status: number, said: Said | null): Meant | undefined {
  if (said === null) return undefined;
  if (status === 404 && said.message === 'File Not Found') return 'unknown-path';
  if (status !== 500) return undefined;
  // All that run at once have filled the cache together; each alone has room.
  if (said.message.startsWith('Context size has been exceeded')) return 'busy';
  return said.message.includes('too large to process') ? 400 : undefined;
}

function isLoading(status: number, said: Said | null): boolean {
  return status === 503 && said?.message === 'Loading model';
}

/** One entry a slot. What waits for one is not told. */
function readSlots(page: string): EngineFigures | null {
  const value = parsed(page);
  if (!Array.isArray(value) || value.length === 0 || !value.every(isSlot)) return null;
  return {
    running: value.filter(({ is_processing }) => is_processing).length,
    waiting: 0,
    kvUsage: 0,
    work: workOf(value),
    kvCacheBytes: null,
    kvCacheTokens: null,
  };
}

interface Slot extends Record<string, unknown> {
  readonly is_processing: boolean;
}

function isSlot(value: unknown): value is Slot {
  return isObject(value) && typeof value['is_processing'] === 'boolean';
}

/** Numbers of tasks grow with every request, and tokens with every step of one. */
function workOf(slots: readonly Slot[]): number {
  let work = 0;
  for (const slot of slots) {
    const next: unknown = Array.isArray(slot['next_token']) ? slot['next_token'][0] : slot['next_token'];
    const counts = [slot['id_task'], slot['n_prompt_tokens_processed'], isObject(next) ? next['n_decoded'] : null];
    for (const count of counts) if (typeof count === 'number' && count > 0) work += count;
  }
  return work;
}

/** Such as "b7000-0c1e570". */
function readBuild(page: string): string | null {
  const value = parsed(page);
  const build = isObject(value) ? value['build_info'] : null;
  return typeof build === 'string' && build !== '' ? build : null;
}

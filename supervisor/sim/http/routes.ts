import { transcriptions, translations } from './audio.ts';
import { chatBatch, chatCompletions } from './chat.ts';
import { completions } from './completions.ts';
import { collectiveRpc, isSleeping, resetPrefixCache, sleep, wakeUp } from './development.ts';
import type { Exchange } from '../request/exchange.ts';
import { countTokens, messages } from './messages.ts';
import { listModels } from '../request/models.ts';
import { health, load, metrics, simFault, version } from './operations.ts';
import { classify, embeddings, pooling, rerank, score } from './pooling.ts';
import { responses } from './responses.ts';
import { detokenize, tokenize } from './tokens.ts';

type Handler = (exchange: Exchange) => void | Promise<void>;

export interface Route {
  readonly methods: readonly ('GET' | 'POST')[];
  readonly handler: Handler;
  /** true: the route is work for the engine, so faults and a dead engine strike it. */
  readonly inference: boolean;
}

const get = (handler: Handler): Route => ({ methods: ['GET'], handler, inference: false });
const post = (handler: Handler): Route => ({ methods: ['POST'], handler, inference: false });
const infer = (handler: Handler): Route => ({ methods: ['POST'], handler, inference: true });

const ALWAYS: Readonly<Record<string, Route>> = {
  '/health': get(health),
  '/ping': { methods: ['GET', 'POST'], handler: health, inference: false },
  '/load': get(load),
  '/version': get(version),
  '/metrics': get(metrics),
  '/v1/models': get(listModels),
  '/tokenize': post(tokenize),
  '/detokenize': post(detokenize),
};

const GENERATE: Readonly<Record<string, Route>> = {
  '/v1/chat/completions': infer(chatCompletions),
  '/v1/chat/completions/batch': infer(chatBatch),
  '/v1/completions': infer(completions),
  '/v1/responses': infer(responses),
  '/v1/messages': infer(messages),
  '/v1/messages/count_tokens': post(countTokens),
  '/v1/audio/transcriptions': infer(transcriptions),
  '/v1/audio/translations': infer(translations),
};

const POOLING: Readonly<Record<string, Route>> = {
  '/v1/embeddings': infer(embeddings),
  '/pooling': infer(pooling),
  '/classify': infer(classify),
  '/score': infer(score),
  '/v1/score': infer(score),
  '/rerank': infer(rerank),
  '/v1/rerank': infer(rerank),
  '/v2/rerank': infer(rerank),
};

const DEVELOPMENT: Readonly<Record<string, Route>> = {
  '/sleep': post(sleep),
  '/wake_up': post(wakeUp),
  '/is_sleeping': get(isSleeping),
  '/collective_rpc': post(collectiveRpc),
  '/reset_prefix_cache': post(resetPrefixCache),
};

/**
 * Every path that a server started this way knows. A real vLLM serves either generation or pooling, as its model can; the simulation
 * serves both unless `--runner` says which, so that one process is enough to try everything.
 */
export function routesFor(options: {
  readonly generate: boolean;
  readonly pooling: boolean;
  readonly devMode: boolean;
  readonly faultRoute: boolean;
}): ReadonlyMap<string, Route> {
  const routes = {
    ...ALWAYS,
    ...(options.generate ? GENERATE : {}),
    ...(options.pooling ? POOLING : {}),
    ...(options.devMode ? DEVELOPMENT : {}),
    ...(options.faultRoute ? { '/sim/fault': post(simFault) } : {}),
  };
  return new Map(Object.entries(routes));
}

import { transcriptions, translations } from './audio.ts';
import { chatBatch, chatCompletions } from '../chat/chat.ts';
import { completions } from './completions.ts';
import { collectiveRpc, isSleeping, resetPrefixCache, sleep, wakeUp } from './development.ts';
import type { Exchange } from '../request/exchange.ts';
import { countTokens, messages } from './messages.ts';
import { listModels } from '../request/models.ts';
import { health, load, metrics, simFault, version } from './operations.ts';
import { classify, cohereEmbed, embeddings, pooling } from '../pooling/embeddings.ts';
import { generativeScoring, rerank, score } from '../pooling/scoring.ts';
import { cancelResponse, responses, retrieveResponse } from '../responses/responses.ts';
import { invocations, scaledOut } from './more-routes.ts';
import { detokenize, tokenize } from './tokens.ts';

type Handler = (exchange: Exchange) => void | Promise<void>;

export interface Route {
  readonly methods: readonly string[];
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
  '/metrics': { methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'], handler: metrics, inference: false },
  '/v1/models': get(listModels),
  '/tokenize': post(tokenize),
  '/detokenize': post(detokenize),
};

const GENERATE: Readonly<Record<string, Route>> = {
  '/v1/chat/completions': infer(chatCompletions),
  '/v1/chat/completions/batch': infer(chatBatch),
  '/v1/completions': infer(completions),
  '/v1/responses': infer(responses),
  '/v1/responses/{response_id}': get(retrieveResponse),
  '/v1/responses/{response_id}/cancel': post(cancelResponse),
  '/v1/messages': infer(messages),
  '/v1/messages/count_tokens': post(countTokens),
  '/generative_scoring': infer(generativeScoring),
  '/invocations': infer(invocations),
  '/v1/chat/completions/render': post(scaledOut),
  '/v1/completions/render': post(scaledOut),
  '/v1/messages/render': post(scaledOut),
  '/v1/responses/render': post(scaledOut),
  '/inference/v1/generate': post(scaledOut),
};

const SPEECH: Readonly<Record<string, Route>> = {
  '/v1/audio/transcriptions': infer(transcriptions),
  '/v1/audio/translations': infer(translations),
};

const POOLING: Readonly<Record<string, Route>> = {
  '/v1/embeddings': infer(embeddings),
  '/v2/embed': infer(cohereEmbed),
  '/pooling': infer(pooling),
  '/score': infer(score),
  '/v1/score': infer(score),
  '/rerank': infer(rerank),
  '/v1/rerank': infer(rerank),
  '/v2/rerank': infer(rerank),
};

const CLASSES: Readonly<Record<string, Route>> = { '/classify': infer(classify) };

const DEVELOPMENT: Readonly<Record<string, Route>> = {
  '/sleep': post(sleep),
  '/wake_up': post(wakeUp),
  '/is_sleeping': get(isSleeping),
  '/collective_rpc': post(collectiveRpc),
  '/reset_prefix_cache': post(resetPrefixCache),
};

/** What a server serves: decided by its model and `--runner`. */
export interface Tasks {
  readonly generate: boolean;
  readonly pooling: boolean;
  readonly classes: boolean;
  readonly speech: boolean;
}

interface RouteOptions extends Tasks {
  readonly devMode: boolean;
  readonly faultRoute: boolean;
}

interface Found {
  readonly route: Route;
  readonly written: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/**
 * Every path that a server started this way knows. A real vLLM serves either generation or pooling, as its model can; the simulation
 * serves both unless `--runner` says which, so that one process is enough to try everything.
 */
export class Routes {
  readonly paths: Readonly<Record<string, Route>>;

  constructor(options: RouteOptions) {
    this.paths = {
      ...ALWAYS,
      ...(options.generate ? GENERATE : {}),
      ...(options.speech ? SPEECH : {}),
      ...(options.pooling ? POOLING : {}),
      ...(options.classes ? CLASSES : {}),
      ...(options.devMode ? DEVELOPMENT : {}),
      ...(options.faultRoute ? { '/sim/fault': post(simFault) } : {}),
    };
  }

  /** The route of a path; undefined for none. */
  find(path: string): Found | undefined {
    const route = this.paths[path];
    if (route !== undefined) return { route, written: path, parameters: {} };
    const [, id, rest = ''] = /^\/v1\/responses\/([^/]+)(\/cancel)?$/.exec(path) ?? [];
    const written = `/v1/responses/{response_id}${rest}`;
    const named = id === undefined ? undefined : this.paths[written];
    return named === undefined ? undefined : { route: named, written, parameters: { id: id! } };
  }
}

import { chatBatch, chatCompletions } from './chat.ts';
import type { Exchange } from './exchange.ts';
import { listModels } from './models.ts';
import { health, load, metrics, simFault, version } from './operations.ts';

export type Handler = (exchange: Exchange) => void | Promise<void>;

export interface Route {
  readonly methods: readonly ('GET' | 'POST')[];
  readonly handler: Handler;
  /** true: work for the engine, so that faults and a dead engine strike it. */
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
};

const GENERATE: Readonly<Record<string, Route>> = {
  '/v1/chat/completions': infer(chatCompletions),
  '/v1/chat/completions/batch': infer(chatBatch),
};

const POOLING: Readonly<Record<string, Route>> = {};

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
    ...(options.faultRoute ? { '/sim/fault': post(simFault) } : {}),
  };
  return new Map(Object.entries(routes));
}

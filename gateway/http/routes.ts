import type { Route } from '../core/call.ts';

function json(path: string, streamEnd: Route['streamEnd'] = 'end-of-body', dialect: Route['dialect'] = 'openai'): Route {
  return { path, dialect, body: 'json', streamEnd };
}

function multipart(path: string): Route {
  return { path, dialect: 'openai', body: 'multipart', streamEnd: 'done-event' };
}

/** The endpoints that are relayed to a worker, all by POST. No other path of a worker can be reached through the gateway. */
export const RELAYED_ROUTES: readonly Route[] = [
  json('/v1/chat/completions', 'done-event'),
  json('/v1/completions', 'done-event'),
  json('/v1/embeddings'),
  json('/v1/responses', 'final-event', 'responses'),
  json('/v1/messages', 'final-event', 'anthropic'),
  json('/v1/messages/count_tokens', 'end-of-body', 'anthropic'),
  json('/v1/score'),
  json('/score'),
  json('/v1/rerank'),
  json('/rerank'),
  json('/v2/rerank'),
  json('/pooling'),
  json('/classify'),
  json('/tokenize'),
  json('/detokenize'),
  multipart('/v1/audio/transcriptions'),
  multipart('/v1/audio/translations'),
];

/** The same by path. */
export const RELAYED_BY_PATH: ReadonlyMap<string, Route> = new Map(RELAYED_ROUTES.map((route) => [route.path, route]));

/** Paths of those whose bodies may hold prompts as lists of token ids. */
export const TOKEN_LIST_PATHS: ReadonlySet<string> = new Set(['/v1/completions', '/v1/embeddings', '/pooling', '/classify', '/detokenize']);

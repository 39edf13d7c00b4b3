import type { Route } from '../core/call.ts';

function json(path: string, streamEnd: Route['streamEnd'], dialect: Route['dialect'] = 'openai'): Route {
  return { path, dialect, body: 'json', streamEnd };
}

function whole(path: string, dialect: Route['dialect'] = 'openai'): Route {
  return { path, dialect, body: 'json', streamEnd: 'end-of-body', whole: true };
}

function multipart(path: string): Route {
  return { path, dialect: 'openai', body: 'multipart', streamEnd: 'done-event' };
}

/** The endpoints that are relayed to a worker, all by POST. No other path of a worker can be reached through the gateway. */
export const RELAYED_ROUTES: readonly Route[] = [
  json('/v1/chat/completions', 'done-event'),
  json('/v1/completions', 'done-event'),
  // Its answer has choices, as that of one chat.
  { ...whole('/v1/chat/completions/batch'), streamEnd: 'done-event' },
  whole('/v1/embeddings'),
  json('/v1/responses', 'final-event', 'responses'),
  json('/v1/messages', 'final-event', 'anthropic'),
  whole('/v1/messages/count_tokens', 'anthropic'),
  whole('/v1/score'),
  whole('/score'),
  whole('/v1/rerank'),
  whole('/rerank'),
  whole('/v2/rerank'),
  whole('/pooling'),
  whole('/classify'),
  whole('/tokenize'),
  whole('/detokenize'),
  whole('/v2/embed'),
  whole('/generative_scoring'),
  // What a request becomes before it is generated from, for engines that share the work.
  whole('/v1/chat/completions/render'),
  whole('/v1/completions/render'),
  whole('/v1/responses/render'),
  whole('/v1/messages/render', 'anthropic'),
  multipart('/v1/audio/transcriptions'),
  multipart('/v1/audio/translations'),
];

/** The same by path. */
export const RELAYED_BY_PATH: ReadonlyMap<string, Route> = new Map(RELAYED_ROUTES.map((route) => [route.path, route]));

/** The endpoint that a request is for; null: none that is relayed. */
export function relayedRoute(method: string | undefined, path: string): Route | null {
  return (method === 'POST' && RELAYED_BY_PATH.get(path)) || storedRoute(method, path);
}

const OPERATORS = /^\/(?:admin|console|debug)(?:[/?]|$)/;

/** Whether a path is one of the pages for operators, which no client and no page of others has any business with. */
export function isOperatorsPath(path: string): boolean {
  return OPERATORS.test(path);
}

/** An answer that a worker has kept, and what is still being made: as relayed as what made it, but from the one worker that has it. */
const RETRIEVE: Route = { path: '/v1/responses/{id}', dialect: 'openai', body: 'json', streamEnd: 'end-of-body', stored: 'GET' };
const CANCEL: Route = { ...RETRIEVE, path: '/v1/responses/{id}/cancel', stored: 'POST' };

const PREFIX = '/v1/responses/';
const PATH = /^\/v1\/responses\/([A-Za-z0-9][\w-]{0,127})(\/cancel)?$/;

/** Which of the two a request is; null: neither. */
function storedRoute(method: string | undefined, path: string): Route | null {
  if (!path.startsWith(PREFIX)) return null;
  const match = PATH.exec(path);
  if (!match) return null;
  const route = match[2] === undefined ? RETRIEVE : CANCEL;
  return method === route.stored ? route : null;
}

/** The method that such a path knows; null: it is none of them. */
export function storedMethod(path: string): string | null {
  const match = path.startsWith(PREFIX) ? PATH.exec(path) : null;
  if (!match) return null;
  return match[2] === undefined ? 'GET' : 'POST';
}

/** The name in such a path; '' in any other. */
export function storedId(path: string): string {
  return PATH.exec(path)?.[1] ?? '';
}

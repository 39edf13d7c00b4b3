import type { IncomingMessage, ServerResponse } from 'node:http';
import { requestIdOf } from './identify.ts';
import { isOperatorsPath } from './routes.ts';

/** With those of operators, what pages of others may not see of the gateway. */
const FOR_MACHINES = /^\/(?:health|livez|readyz|startupz|metrics|stats|version)?(?:\?|$)/;

/** Headers of answers that a page may read besides those that it always may. Named one by one: some browsers do not know `*`. */
const READABLE = [
  'x-request-id',
  'request-id',
  'retry-after',
  'retry-after-ms',
  'x-should-retry',
  'metadata',
  'age',
  'idempotent-replayed',
  ...['worker', 'model', 'queue-ms', 'window-ms', 'attempts', 'reason', 'cache', 'fallback'].map((name) => `x-headgate-${name}`),
  ...['limit', 'remaining', 'reset'].flatMap((what) => [`x-ratelimit-${what}-requests`, `x-ratelimit-${what}-tokens`]),
].join(', ');

const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE';
/** As long as Chromium keeps it. */
const MAX_AGE_S = '7200';
const NAMES = /^[\w!#$%&'*+.^`|~, -]{1,8192}$/;

/** Whether a request target is one of those that pages may have to do with. */
export function isOfApi(target: string): boolean {
  return !isOperatorsPath(target) && !FOR_MACHINES.test(target);
}

/** Whether a browser asks for leave to send what a page of another origin wants sent to the API. */
export function isPreflight({ method, url = '', headers }: IncomingMessage): boolean {
  return method === 'OPTIONS' && headers.origin !== undefined && headers['access-control-request-method'] !== undefined && isOfApi(url);
}

/** Lets the page of a request read the answer to come, whatever that will be. `origin`: the page's, `isAllowed`: whether it may. */
export function letRead({ url = '' }: IncomingMessage, response: ServerResponse, origin: string, isAllowed: boolean): void {
  if (!isOfApi(url)) return;
  response.setHeader('vary', 'Origin');
  if (!isAllowed) return;
  response.setHeader('access-control-allow-origin', origin);
  response.setHeader('access-control-expose-headers', READABLE);
}

/** Answers a preflight of a page that may call, which has nobody's key: browsers send none. */
export function answerPreflight({ headers }: IncomingMessage, response: ServerResponse, newId: () => string): void {
  response.setHeader('x-request-id', requestIdOf(headers, newId));
  response.removeHeader('access-control-expose-headers');
  response.setHeader('access-control-allow-methods', METHODS);
  response.setHeader('access-control-max-age', MAX_AGE_S);
  const names = headers['access-control-request-headers'];
  if (typeof names === 'string' && NAMES.test(names)) response.setHeader('access-control-allow-headers', names);
  if (headers['access-control-request-private-network'] === 'true') response.setHeader('access-control-allow-private-network', 'true');
  response.writeHead(204).end();
}

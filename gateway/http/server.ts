import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { Crowd } from './crowd.ts';
import { requestIdOf } from './identify.ts';
import type { Refusals } from './refusals.ts';
import { MAX_HEADER_BYTES, onClientError, onConnect } from './unparsed.ts';

interface ServerOptions {
  readonly headerTimeoutMs: number;
  /** Head and body together. */
  readonly requestTimeoutMs: number;
  readonly clock: Clock;
  readonly newId: () => string;
  /** A request whose version, headers, host and path are sound. Whether it expects 100-continue is for whoever reads its body. */
  readonly onRequest: (incoming: IncomingMessage, response: ServerResponse, path: string) => void;
  readonly refusals: Refusals;
  /** Who may ask at all, and read the answer. */
  readonly visitors: {
    greet(incoming: IncomingMessage, response: ServerResponse): void;
    /** @throws for a request that is not answered */
    check(incoming: IncomingMessage): void;
  };
  /** Who is let in; null: everybody. */
  readonly crowd: Crowd | null;
}

const SLASH = 0x2f;
const MAX_HEADERS = 100;
/** Above the 60 s that most load balancers keep idle connections, so that they close first. */
const KEEP_ALIVE_MS = 75_000;
const CHECK_MS = 1_000;

/**
 * Paths as written, without dot segments, backslashes or escapes: what we route is what any proxy before us saw. No route has an empty
 * segment; who sends one is told where to ask instead.
 */
const PLAIN_PATH = /^\/[A-Za-z0-9._~:@!$&'()*+,;=/-]*$/;
/** RFC 9112 §3.2.2: scheme and host before the path, as clients write that take us for their proxy. */
const ABSOLUTE = /^https?:\/\/([^/?#\\]*)([^#]*)$/i;
/** Ids of models hold slashes, those of workers colons, and programs escape both. */
const ID_PATH = /^\/(?:v1\/models|admin\/(?:models|workers))\/(?:[A-Za-z0-9._~:@!$&'()*+,;=/-]|%[0-9A-Fa-f]{2})+$/;
const DOT_SEGMENT = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i;
/** Taken as written, here and by the adapter behind us. */
const PLAIN_HOST = /^[a-z0-9._-]+(?::[1-9]\d{3})?$/;
const HOST = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;

/** The HTTP server: its limits, and answers in our own words to whatever is not HTTP as we take it. */
export function createHttpServer(options: ServerOptions): Server {
  const server = createServer({
    keepAlive: true,
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: options.headerTimeoutMs,
    requestTimeout: options.requestTimeoutMs,
    connectionsCheckingInterval: Math.min(CHECK_MS, options.headerTimeoutMs),
    maxHeaderSize: MAX_HEADER_BYTES,
    noDelay: true,
    // Node's own answer has no body; hostOf asks for more than it does.
    requireHostHeader: false,
  });
  // Node would drop what is beyond its own count without a word.
  server.maxHeadersCount = 0;
  const { crowd } = options;
  if (crowd !== null) server.on('connection', (socket) => crowd.enter(socket));

  function handle(incoming: IncomingMessage, response: ServerResponse): void {
    let path: string;
    options.visitors.greet(incoming, response);
    try {
      path = checkRequest(incoming);
      options.visitors.check(incoming);
    } catch (error) {
      refuse(incoming, response, error as GatewayError);
      return;
    }
    if (crowd?.isTight) response.shouldKeepAlive = false;
    options.onRequest(incoming, response, path);
  }

  function refuse(incoming: IncomingMessage, response: ServerResponse, error: GatewayError): void {
    const id = requestIdOf(incoming.headers, options.newId);
    const { url: target = '', method = '' } = incoming;
    const request = { id, route: 'unknown', target, dialect: 'openai', method, durationMs: 0 } as const;
    options.refusals.answer(incoming, response, error, request);
  }

  server.on('request', handle);
  server.on('checkContinue', handle);
  server.on('checkExpectation', (incoming, response) => {
    refuse(incoming, response, new GatewayError('expectation_failed', 'Only Expect: 100-continue is understood.', { close: true }));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => onClientError(options, error, socket));
  server.on('connect', (_incoming, socket) => onConnect(options, socket));
  return server;
}

/** The path of a request that a route may see. @throws for any other */
function checkRequest(incoming: IncomingMessage): string {
  const { headers, rawHeaders, httpVersion } = incoming;
  if (httpVersion !== '1.1' && httpVersion !== '1.0') {
    throw new GatewayError('bad_request_framing', 'Only HTTP/1.1 and HTTP/1.0 are spoken here.', { close: true });
  }
  const coding = headers['transfer-encoding'];
  // The parser takes any list that ends in chunked, and takes it in HTTP/1.0 too, where others do not (RFC 9112 §6.1).
  if (coding !== undefined && (coding.toLowerCase() !== 'chunked' || httpVersion === '1.0')) {
    throw new GatewayError('bad_request_framing', 'The only transfer coding is chunked, and only in HTTP/1.1.', { close: true });
  }
  if (rawHeaders.length > 2 * MAX_HEADERS) {
    throw new GatewayError('headers_too_large', `The request has more than ${MAX_HEADERS} headers.`, { close: true });
  }
  incoming.headers.host = hostOf(rawHeaders, httpVersion);
  takeAbsolute(incoming);
  const path = pathOf(incoming.url ?? '');
  if (path === null) throw new GatewayError('unknown_url', 'Unknown request URL. Please check the URL for typos.');
  return path;
}

/** A target in absolute form is served as its path, at the host that it names, whatever the Host header says. @throws invalid_host */
function takeAbsolute(incoming: IncomingMessage): void {
  const { url = '' } = incoming;
  if (url.charCodeAt(0) === SLASH) return;
  const [, host, rest = ''] = ABSOLUTE.exec(url) ?? [];
  if (host === undefined) return;
  if (!namesOneHost(host)) throw new GatewayError('invalid_host', 'The request target must name one host.', { close: true });
  incoming.headers.host = host;
  incoming.url = rest.startsWith('/') ? rest : `/${rest}`;
}

/**
 * The path of a request target, or null for one that no route can have: `/v1/../metrics` and `/%61dmin` are not looked up as what they
 * might be normalized to.
 * @throws invalid_target for what has neither origin nor absolute form (RFC 9112 §3.2)
 */
export function pathOf(target: string): string | null {
  if (target.charCodeAt(0) !== SLASH)
    throw new GatewayError('invalid_target', 'The request target must begin with a slash.', { close: true });
  const query = target.indexOf('?');
  const path = query < 0 ? target : target.slice(0, query);
  if (DOT_SEGMENT.test(path)) return null;
  return PLAIN_PATH.test(path) || ID_PATH.test(path) ? path : null;
}

/** What stands for the host of an HTTP/1.0 request that names none: nothing that anyone would trust. */
export const UNNAMED_HOST = 'unnamed.invalid';

/**
 * The host of a request. Host headers are counted as they were sent (names and values in turn): Node keeps the first of two, where a proxy
 * before us may have gone by the other.
 * @throws invalid_host unless there is one Host header that names one host; HTTP/1.0 may do without.
 */
export function hostOf(rawHeaders: readonly string[], httpVersion: string): string {
  let host: string | undefined;
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (name.length === 4 && name.toLowerCase() === 'host') {
      host = rawHeaders[i + 1]!;
      count++;
    }
  }
  if (count === 0 && httpVersion === '1.0') return UNNAMED_HOST;
  if (host === undefined || count > 1 || !namesOneHost(host)) {
    throw new GatewayError('invalid_host', 'The request must have one Host header that names one host.', { close: true });
  }
  return host;
}

function namesOneHost(host: string): boolean {
  if (PLAIN_HOST.test(host)) return true;
  // What a URL would turn into something else (1.2.3.256, [0:0::1], port 99999) is not taken for what it might mean.
  return HOST.test(host) && URL.parse(`http://${host}`)?.hostname === host.replace(/:\d+$/, '').toLowerCase();
}

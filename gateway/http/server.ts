import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import { errorReplyParts } from '../openai/error-reply.ts';
import { requestIdOf } from './identify.ts';
import { discardBody } from './body/read-body.ts';
import { hostOf, pathOf } from './request-target.ts';
import { MAX_HEADER_BYTES, onClientError, onConnect, type EarlyRefusal } from './unparsed.ts';

interface ServerOptions {
  readonly headerTimeoutMs: number;
  /** Head and body together. */
  readonly requestTimeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly newId: () => string;
  /** A request whose version, headers, host and path are sound. Whether it expects 100-continue is for whoever reads its body. */
  readonly onRequest: (incoming: IncomingMessage, response: ServerResponse) => void;
  readonly onRefused: (refusal: EarlyRefusal) => void;
}

const MAX_HEADERS = 100;
/** Above the 60 s that most load balancers keep idle connections, so that they close first. */
const KEEP_ALIVE_MS = 75_000;
const CHECK_MS = 1_000;

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

  function handle(incoming: IncomingMessage, response: ServerResponse): void {
    try {
      checkRequest(incoming);
    } catch (error) {
      refuse(options, incoming, response, error as GatewayError);
      return;
    }
    options.onRequest(incoming, response);
  }

  server.on('request', handle);
  server.on('checkContinue', handle);
  server.on('checkExpectation', (incoming, response) => {
    refuse(
      options,
      incoming,
      response,
      new GatewayError('expectation_failed', 'Only Expect: 100-continue is understood.', { close: true }),
    );
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => onClientError(options, error, socket));
  server.on('connect', (_incoming, socket) => onConnect(options, socket));
  return server;
}

/** @throws for a request that no route may see */
function checkRequest(incoming: IncomingMessage): void {
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
  if (pathOf(incoming.url ?? '') === null) {
    throw new GatewayError('unknown_url', 'Unknown request URL. Please check the URL for typos.');
  }
}

function refuse(options: ServerOptions, incoming: IncomingMessage, response: ServerResponse, error: GatewayError): void {
  const { status, headers, body } = errorReplyParts(error, 'openai', options.random);
  const id = requestIdOf(incoming.headers, options.newId);
  options.onRefused({ id, route: 'unknown', method: incoming.method ?? '', status, code: error.row.code, durationMs: 0 });
  response.writeHead(status, { ...headers, 'x-request-id': id, 'content-length': Buffer.byteLength(body) });
  response.end(body);
  discardBody(incoming);
}

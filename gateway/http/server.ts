import { createServer, STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { GatewayError, type ErrorKind } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import { errorReplyParts } from '../policies/error-reply.ts';
import { checkHost, pathOf } from './request-target.ts';

export interface ServerOptions {
  readonly headerTimeoutMs: number;
  /** Head and body together. */
  readonly requestTimeoutMs: number;
  readonly random: Random;
  readonly newId: () => string;
  readonly maxBodyBytes: () => number;
  /** A request whose target and host are sound. `path` has no query; null: no route can have it. */
  readonly onRequest: (incoming: IncomingMessage, response: ServerResponse, path: string | null) => void;
}

const MAX_HEADERS = 100;
const MAX_HEADER_BYTES = 16_384;
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
  });
  // Node would drop what is beyond its own count without a word.
  server.maxHeadersCount = 0;

  function handle(incoming: IncomingMessage, response: ServerResponse): void {
    let path: string | null;
    try {
      if (incoming.rawHeaders.length > 2 * MAX_HEADERS) {
        throw new GatewayError('headers_too_large', `The request has more than ${MAX_HEADERS} headers.`, { close: true });
      }
      checkHost(incoming.headers.host, incoming.httpVersion);
      path = pathOf(incoming.url ?? '');
    } catch (error) {
      answer(options, response, error as GatewayError);
      return;
    }
    options.onRequest(incoming, response, path);
  }

  server.on('request', handle);
  server.on('checkContinue', (incoming, response) => {
    const length = Number(incoming.headers['content-length'] ?? 0);
    if (length <= options.maxBodyBytes()) response.writeContinue();
    handle(incoming, response);
  });
  server.on('checkExpectation', (_incoming, response) => {
    answer(options, response, new GatewayError('expectation_failed', 'Only Expect: 100-continue is understood.', { close: true }));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => onClientError(options, error, socket));
  server.on('connect', (_incoming, socket: Duplex) => {
    writeRaw(options, socket, new GatewayError('method_not_allowed', 'CONNECT is not supported.'));
  });
  return server;
}

function answer(options: ServerOptions, response: ServerResponse, error: GatewayError): void {
  const { status, headers, body } = errorReplyParts(error, 'openai', options.random);
  response.writeHead(status, { ...headers, 'x-request-id': options.newId(), 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

const PARSE_ERRORS: Readonly<Record<string, ErrorKind>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'request_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

function onClientError(options: ServerOptions, error: NodeJS.ErrnoException, socket: Duplex): void {
  // An answer that has begun cannot be followed by another.
  const begun = (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage?.headersSent === true;
  if (error.code === 'ECONNRESET' || !socket.writable || begun) {
    socket.destroy();
    return;
  }
  const kind = PARSE_ERRORS[error.code ?? ''] ?? 'bad_request_framing';
  const messages: Partial<Record<ErrorKind, string>> = {
    headers_too_large: `The request headers are larger than ${MAX_HEADER_BYTES} bytes.`,
    request_too_large: 'The request’s chunk extensions are too large.',
    request_timeout: 'The request was not sent in time.',
  };
  writeRaw(options, socket, new GatewayError(kind, messages[kind] ?? 'The request is not well-formed HTTP/1.1.'));
}

/** An answer on a connection for which Node made no response. */
function writeRaw(options: ServerOptions, socket: Duplex, error: GatewayError): void {
  const { status, headers, body } = errorReplyParts(error, 'openai', options.random);
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}`];
  const all = { ...headers, 'x-request-id': options.newId(), 'content-length': String(Buffer.byteLength(body)), connection: 'close' };
  for (const [name, value] of Object.entries(all)) lines.push(`${name}: ${value}`);
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
}

import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '../core/clock.ts';
import { GatewayError, type ErrorKind } from '../core/errors.ts';
import { mayTakeItsTime } from './body/slow-upload.ts';
import type { Refusals } from './refusals.ts';

// Answers on connections for which Node made no response, because what came is not a request as we take it.

export const MAX_HEADER_BYTES = 16_384;

interface UnparsedOptions {
  readonly clock: Clock;
  readonly newId: () => string;
  readonly refusals: Refusals;
}

/**
 * How long a connection that has had its last answer is read and forgotten. Closed at once, with bytes unread, it would be reset, and the
 * client might never see the answer; kept for longer, it would cost a descriptor for nothing.
 */
const LINGER_MS = 1_000;

const PARSE_ERRORS: Readonly<Record<string, ErrorKind>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'request_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
  HPE_INVALID_EOF_STATE: 'truncated_body',
};

const MESSAGES: Partial<Record<ErrorKind, string>> = {
  headers_too_large: `The request headers are larger than ${MAX_HEADER_BYTES} bytes.`,
  request_too_large: 'The chunk extensions of the request are too large.',
  request_timeout: 'The request was not sent in time.',
  truncated_body: 'The request ended before it was complete.',
};

/** Connections that have had their last answer. Node reports every further byte on them as one more error. */
const leaving = new WeakSet<Duplex>();

export function onClientError(options: UnparsedOptions, error: NodeJS.ErrnoException, socket: Duplex): void {
  // What follows a request that said "connection: close" is not looked at; the request itself still gets its answer.
  if (leaving.has(socket) || error.code === 'HPE_CLOSED_CONNECTION') return;
  const { _httpMessage: first, bytesRead } = socket as Socket & { _httpMessage?: ServerResponse | null };
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && mayTakeItsTime(socket, first?.req)) return;
  // An earlier request whose answer is still due, or has begun, must get it first; this refusal would overtake it or follow it.
  const owed = first != null && (first.headersSent || first.req.complete);
  if (error.code === 'ECONNRESET' || !socket.writable || owed) {
    socket.destroy();
    return;
  }
  // A connection that was opened and never used is no request: an answer would be taken for the one to a request that is just on its way.
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && bytesRead === 0) {
    socket.destroy();
    return;
  }
  const kind = PARSE_ERRORS[error.code ?? ''] ?? 'bad_request_framing';
  const message = MESSAGES[kind] ?? 'The request is not well-formed HTTP/1.1.';
  // A body that goes wrong halfway is refused by who reads it, once and under its own name.
  if (first != null && first.req.listenerCount('error') > 0) {
    leaving.add(socket);
    first.req.emit('error', new GatewayError(kind, message, { close: true }));
    closeSoon(options, socket);
    return;
  }
  answerLast(options, socket, new GatewayError(kind, message), bytesRead > 0 ? '' : null);
}

export function onConnect(options: UnparsedOptions, socket: Duplex): void {
  // Node has let go of the connection: nobody else hears its errors or reads what is left.
  socket.on('error', ignore);
  socket.resume();
  answerLast(options, socket, new GatewayError('method_not_allowed', 'CONNECT is not supported.', { allow: 'GET, HEAD, POST' }), 'CONNECT');
}

function answerLast(options: UnparsedOptions, socket: Duplex, error: GatewayError, method: string | null): void {
  leaving.add(socket);
  options.refusals.answerUnparsed(socket, error, options.newId(), method);
  closeSoon(options, socket);
}

function closeSoon({ clock }: UnparsedOptions, socket: Duplex): void {
  const timer = clock.after(LINGER_MS, () => socket.destroy());
  socket.once('close', () => timer.cancel());
}

function ignore(): void {}

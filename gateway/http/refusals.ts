import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Dialect } from '../core/call.ts';
import { GatewayError } from '../core/errors.ts';
import type { Events } from '../core/events.ts';
import type { Random } from '../core/random.ts';
import type { CallTrace } from '../core/trace/call-trace.ts';
import { errorReplyParts, type ErrorReplyParts } from '../openai/error-reply.ts';
import { discardBody } from './body/read-body.ts';

export interface RefusalsContext {
  readonly random: Random;
  readonly events: Pick<Events, 'requestRefused'>;
  readonly onUnexpected: (error: unknown, requestId: string) => void;
}

/** What is known of a request that is refused. */
export interface RefusedRequest {
  readonly id: string;
  /** A path of the table of relayed routes or of the gateway's own, or 'unknown'. */
  readonly route: string;
  readonly dialect: Dialect;
  /** The target, where no route has it. */
  readonly target?: string;
  /** '': it could not be read. */
  readonly method: string;
  readonly durationMs: number;
  /** The name of the key that it came with, where that is known. */
  readonly key?: string | null;
  /** Default: none. */
  readonly trace?: CallTrace | null;
}

/** Refuses what never becomes a call: tells the books, and writes the answer. Errors of calls are answered by the rescue policy. */
export class Refusals {
  readonly #context: RefusalsContext;

  constructor(context: RefusalsContext) {
    this.#context = context;
  }

  /** What was thrown, where it is meant for the client. Anything else is our fault, and logged as such. */
  errorOf(thrown: unknown, requestId: string): GatewayError {
    if (thrown instanceof GatewayError) return thrown;
    this.#context.onUnexpected(thrown, requestId);
    return new GatewayError('internal', 'The gateway failed to handle the request.');
  }

  /** Tells the books. Returns the answer, for a caller that has its own way to write it. */
  record(
    error: GatewayError,
    { id, route, target, dialect, method, durationMs, key = null, trace = null }: RefusedRequest,
  ): ErrorReplyParts {
    const parts = errorReplyParts(error, dialect, this.#context.random);
    // A query may hold a key.
    const path = target?.split('?', 1)[0] ?? null;
    this.#context.events.requestRefused({
      id,
      route,
      path,
      method,
      status: parts.status,
      code: error.details.code ?? error.row.code,
      durationMs,
      key,
      ...(trace === null ? {} : { trace }),
    });
    return parts;
  }

  /** Answers a request, and reads and forgets what is left of its body. */
  answer(incoming: IncomingMessage, response: ServerResponse, error: GatewayError, request: RefusedRequest): void {
    const { status, headers, body } = this.record(error, request);
    if (response.destroyed) return;
    const ids = request.dialect === 'anthropic' ? { 'x-request-id': request.id, 'request-id': request.id } : { 'x-request-id': request.id };
    response.writeHead(status, { ...headers, ...ids, 'content-length': Buffer.byteLength(body) });
    response.end(body);
    discardBody(incoming);
  }

  /**
   * Answers on a connection for which Node made no response, and ends our side of it.
   * @param method as it goes into the books; null: keep it out of them
   */
  answerUnparsed(socket: Duplex, error: GatewayError, id: string, method: string | null): void {
    const request: RefusedRequest = { id, route: 'unknown', dialect: 'openai', method: method ?? '', durationMs: 0 };
    const { status, headers, body } =
      method === null ? errorReplyParts(error, request.dialect, this.#context.random) : this.record(error, request);
    const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}`];
    const all = { ...headers, 'x-request-id': id, 'content-length': String(Buffer.byteLength(body)), connection: 'close' };
    for (const [name, value] of Object.entries(all)) lines.push(`${name}: ${value}`);
    socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
  }
}

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Bag, Member } from '../core/bag/bag.ts';
import { answeringModel, type Call, type Route } from '../core/call.ts';
import { GatewayError } from '../core/errors.ts';
import { ANONYMOUS, nameOf, type Principal } from '../core/principal.ts';
import type { Handler } from '../core/handler.ts';
import { FALLBACK_HEADER } from '../core/pools/fallbacks.ts';
import { headerText } from '../core/pools/header-text.ts';
import type { Reply } from '../core/reply.ts';
import type { CallTrace } from '../core/trace/call-trace.ts';
import { type LateWriter, writeAtEndOfTurn } from '../core/turn/late-writes.ts';
import type { BodyMemory } from './body/read-body.ts';
import { principalOf } from './credentials.ts';
import type { Door } from '../keys/door.ts';
import type { Guesses } from './guesses.ts';
import type { Crowd } from './crowd.ts';
import { identify, identifyStored, requestIdOf, type CallHead, type IdentifyContext } from './identify.ts';
import type { Stage } from './lifecycle.ts';
import { NodeSink } from './node-sink.ts';
import type { Overload } from './overload.ts';
import type { Refusals } from './refusals.ts';
import { dropIfStalled } from './stalled-client.ts';

export interface ServeContext extends IdentifyContext {
  /** The policies; replaced on reload. */
  readonly handler: () => Handler;
  readonly lifecycle: () => Stage;
  readonly newId: () => string;
  /** Begins the trace of a request, by what its head says of one; null: nobody traces. */
  readonly trace: ((traceParent: string | string[] | undefined) => CallTrace) | null;
  /** Every call in flight, so that the end of a drain can cut them. */
  readonly live: Bag<ClientSide>;
  readonly bodies: BodyMemory;
  readonly crowd: Crowd;
  readonly overload: Overload;
  readonly door: Door;
  readonly mistakes: Guesses;
  readonly refusals: Refusals;
  readonly onUnexpected: (error: unknown, requestId: string) => void;
}

/** One relayed request, from its head to its last byte. Never rejects. */
export async function serveCall(context: ServeContext, incoming: IncomingMessage, response: ServerResponse, route: Route): Promise<void> {
  const { clock, live } = context;
  const arrivedAt = clock.now();
  const id = requestIdOf(incoming.headers, context.newId);
  const trace = context.trace && context.trace(incoming.headers['traceparent']);
  const room = context.bodies.open();
  let call: Call;
  let principal: Principal = ANONYMOUS;
  try {
    if (context.lifecycle() === 'refusing') throw new GatewayError('draining', 'The gateway is shutting down.', { close: true });
    context.overload.check();
    context.crowd.check(incoming.socket);
    principal = principalOf(incoming, context.door);
    const head: CallHead = { id, route, principal, arrivedAt, trace };
    call = route.stored
      ? identifyStored(context, incoming, head)
      : await identify(context, incoming, head, {
          onWanted() {
            // Any other expectation was refused by the server. HTTP/1.0 knows no interim answers.
            if (incoming.headers.expect !== undefined && incoming.httpVersion === '1.1') response.writeContinue();
          },
          onLength: (bytes) => room.resize(bytes),
        });
  } catch (error) {
    room.release();
    const head: CallHead = { id, route, principal, arrivedAt, trace };
    refuse(context, incoming, response, head, await context.mistakes.inTime(error, incoming));
    return;
  }
  const client = new ClientSide(response, call);
  live.add(client);
  try {
    const reply = await context.handler()(call);
    reply.ended.onSettled(() => {
      live.remove(client);
      room.release();
    });
    client.respond(reply, context.lifecycle() !== 'serving' || context.crowd.isTight);
  } catch (error) {
    // The policies answer their own errors; an error that arrives here came while the answer was being written.
    live.remove(client);
    room.release();
    context.onUnexpected(error, id);
    response.destroy();
  }
}

/** Answers a request that never became a call. */
function refuse(
  { clock, refusals, lifecycle }: ServeContext,
  incoming: IncomingMessage,
  response: ServerResponse,
  { id, route, principal, arrivedAt, trace }: CallHead,
  thrown: unknown,
): void {
  if (lifecycle() !== 'serving') response.shouldKeepAlive = false;
  const { path, dialect } = route;
  const durationMs = clock.now() - arrivedAt;
  const request = { id, route: path, dialect, method: incoming.method ?? 'POST', durationMs, key: nameOf(principal), trace };
  refusals.answer(incoming, response, refusals.errorOf(thrown, id), request);
}

/** Tells the call, whatever it is doing, when its client goes away; and the reply, once there is one, how it ended. */
export class ClientSide implements Member, LateWriter {
  slot = -1;
  readonly call: Call;
  readonly #response: ServerResponse;
  #reply: Reply | null = null;
  /** A body that is written in one piece. */
  #whole: Uint8Array | string | null = null;

  constructor(response: ServerResponse, call: Call) {
    this.#response = response;
    this.call = call;
    response.once('close', () => this.#onClose());
  }

  /** Writes the reply's head and body. `closing`: the connection is not to be used again. */
  respond(reply: Reply, closing: boolean): void {
    const response = this.#response;
    this.#reply = reply;
    if (response.destroyed || response.closed) {
      this.call.cancellation.cancel(gone());
      reply.ended.settle({ kind: 'disconnected', phase: this.call.journey.phase });
      return;
    }
    const headers = headOf(reply, this.call);
    if (closing) headers.push('connection', 'close');
    const { body } = reply;
    if (body.kind === 'bytes') {
      headers.push('content-length', String(typeof body.bytes === 'string' ? Buffer.byteLength(body.bytes) : body.bytes.length));
      response.writeHead(reply.status, headers);
      this.#whole = body.bytes;
      writeAtEndOfTurn(this);
      return;
    }
    const chunked = reply.headers['content-length'] === undefined && this.#response.req.httpVersion === '1.1';
    if (chunked) headers.push('transfer-encoding', 'chunked');
    response.writeHead(reply.status, headers);
    body.start(new NodeSink(response, chunked));
  }

  writeLate(): void {
    const response = this.#response;
    if (this.#whole === null || response.destroyed) return;
    endWith(response, this.#whole);
    dropIfStalled(response);
  }

  #onClose(): void {
    const reply = this.#reply;
    const { phase } = this.call.journey;
    if (reply && this.#response.writableFinished) {
      reply.ended.settle(reply.outcome());
      return;
    }
    this.call.cancellation.cancel(gone());
    if (!reply) return;
    const outcome = reply.outcome();
    reply.ended.settle(outcome.kind === 'broken' ? outcome : { kind: 'disconnected', phase });
  }
}

/** Longer ones are not worth a copy. */
const JOINED_BYTES = 16_384;

/** Head and body in one write: Node joins them where both are text, and every byte has its character in Latin-1. */
function endWith(response: ServerResponse, bytes: Uint8Array | string): void {
  if (Buffer.isBuffer(bytes) && bytes.length <= JOINED_BYTES) response.end(bytes.toString('latin1'), 'latin1');
  else response.end(bytes);
}

/** Header names and values in turn, as `writeHead` takes them fastest. */
function headOf(reply: Reply, call: Call): string[] {
  const headers: string[] = ['x-request-id', reply.requestId ?? call.id];
  // Where Anthropic's SDKs look for it.
  if (call.route.dialect === 'anthropic') headers.push('request-id', headers[1]!);
  for (const name in reply.headers) headers.push(name, reply.headers[name]!);
  const { cache, limitHeaders, fallback } = call.journey;
  // What the other model says of the request itself.
  if (fallback !== null && reply.headers[FALLBACK_HEADER] === undefined) headers.push(FALLBACK_HEADER, headerText(fallback.to));
  if (cache !== null) headers.push('x-headgate-cache', cache);
  for (const text of limitHeaders) headers.push(text);
  if (reply.relayed) {
    const { journey, attempts } = call;
    headers.push(
      'x-headgate-worker',
      attempts.at(-1)?.worker ?? '',
      'x-headgate-model',
      headerText(answeringModel(call)),
      'x-headgate-queue-ms',
      String(Math.round(journey.queueMs)),
      'x-headgate-window-ms',
      String(Math.round(journey.windowMs)),
      'x-headgate-attempts',
      String(attempts.length),
    );
  }
  return headers;
}

function gone(): GatewayError {
  return new GatewayError('client_disconnected', 'The client closed the connection.');
}

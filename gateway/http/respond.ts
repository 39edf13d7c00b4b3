import type { ServerResponse } from 'node:http';
import type { Call } from '../core/call.ts';
import { GatewayError } from '../core/errors.ts';
import type { Reply } from '../core/reply.ts';
import { NodeSink } from './node-sink.ts';
import { dropIfStalled } from './stalled-client.ts';

/** Tells the call, whatever it is doing, when its client goes away; and the reply, once there is one, how it ended. */
export class ClientSide {
  readonly #response: ServerResponse;
  readonly #call: Call;
  #reply: Reply | null = null;

  constructor(response: ServerResponse, call: Call) {
    this.#response = response;
    this.#call = call;
    response.once('close', () => this.#onClose());
  }

  /** Writes the reply's head and body. `closing`: the connection is not to be used again. */
  respond(reply: Reply, closing: boolean): void {
    const response = this.#response;
    this.#reply = reply;
    if (response.destroyed || response.closed) {
      this.#call.cancellation.cancel(gone());
      reply.ended.settle({ kind: 'disconnected', phase: this.#call.journey.phase });
      return;
    }
    const headers = headOf(reply, this.#call);
    if (closing) headers.push('connection', 'close');
    const { body } = reply;
    if (body.kind === 'bytes') {
      headers.push('content-length', String(typeof body.bytes === 'string' ? Buffer.byteLength(body.bytes) : body.bytes.length));
      response.writeHead(reply.status, headers);
      response.end(body.bytes);
      dropIfStalled(response);
      return;
    }
    const chunked = reply.headers['content-length'] === undefined && this.#response.req.httpVersion === '1.1';
    if (chunked) headers.push('transfer-encoding', 'chunked');
    response.writeHead(reply.status, headers);
    body.start(new NodeSink(response, chunked));
  }

  #onClose(): void {
    const reply = this.#reply;
    const { phase } = this.#call.journey;
    if (reply && this.#response.writableFinished) {
      reply.ended.settle(reply.outcome());
      return;
    }
    this.#call.cancellation.cancel(gone());
    if (!reply) return;
    const outcome = reply.outcome();
    reply.ended.settle(outcome.kind === 'broken' ? outcome : { kind: 'disconnected', phase });
  }
}

/** Header names and values in turn, as `writeHead` takes them fastest. */
function headOf(reply: Reply, call: Call): string[] {
  const headers: string[] = ['x-request-id', call.id];
  for (const name in reply.headers) headers.push(name, reply.headers[name]!);
  if (reply.relayed) {
    const { journey, attempts } = call;
    headers.push(
      'x-headgate-worker',
      attempts.at(-1)?.worker ?? '',
      'x-headgate-model',
      headerText(call.model),
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

/** A model's id may be any text, a header's value may not: what is not ASCII travels percent-encoded. */
function headerText(text: string): string {
  return /^[\x20-\x7e]*$/.test(text) ? text : encodeURIComponent(text.toWellFormed());
}

function gone(): GatewayError {
  return new GatewayError('client_disconnected', 'The client closed the connection.');
}

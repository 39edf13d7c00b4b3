import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Call, Route } from '../core/call.ts';
import type { Handler } from '../core/handler.ts';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { BodyMemory } from './body/read-body.ts';
import type { Stage } from './lifecycle.ts';
import { identify, requestIdOf, type IdentifyContext } from './identify.ts';
import { discardBody } from './body/read-body.ts';
import type { Refusals } from './refusals.ts';
import { ClientSide } from './respond.ts';

export interface ServeContext extends IdentifyContext {
  readonly clock: Clock;
  /** The policies; replaced on reload. */
  readonly handler: () => Handler;
  readonly lifecycle: () => Stage;
  readonly newId: () => string;
  /** Every call in flight, so that the end of a drain can cut them. */
  readonly live: Set<Call>;
  readonly bodies: BodyMemory;
  readonly refusals: Refusals;
  readonly onUnexpected: (error: unknown, requestId: string) => void;
}

/** One relayed request, from its head to its last byte. Never rejects. */
export async function serveCall(context: ServeContext, incoming: IncomingMessage, response: ServerResponse, route: Route): Promise<void> {
  const { clock, live } = context;
  const arrivedAt = clock.now();
  const id = requestIdOf(incoming.headers, context.newId);
  const room = context.bodies.open();
  let call: Call;
  try {
    if (context.lifecycle() === 'refusing') throw new GatewayError('draining', 'The gateway is shutting down.', { close: true });
    call = await identify(context, incoming, route, id, arrivedAt, {
      onWanted() {
        // Any other expectation was refused by the server. HTTP/1.0 knows no interim answers.
        if (incoming.headers.expect !== undefined && incoming.httpVersion === '1.1') response.writeContinue();
      },
      onLength: (bytes) => room.resize(bytes),
    });
  } catch (error) {
    room.release();
    refuse(context, incoming, response, route, id, arrivedAt, error);
    return;
  }
  live.add(call);
  const client = new ClientSide(response, call);
  const upload = call.body.kind === 'stream' ? call.body.stream : null;
  // A body that proves too large, or is cut, is not the worker's fault: the call must end before the worker's side notices.
  upload?.on('error', (error) => {
    if (error instanceof GatewayError) call.cancellation.cancel(error);
  });
  try {
    const reply = await context.handler()(call);
    void reply.ended.promise.then(() => {
      live.delete(call);
      room.release();
    });
    client.respond(reply, context.lifecycle() !== 'serving');
    // A worker may begin to answer while the upload still flows; once it has answered, nobody reads the rest.
    if (upload) void reply.ended.promise.then(() => discardBody(incoming));
  } catch (error) {
    // The policies answer for their own errors; what arrives here broke while it was being written.
    live.delete(call);
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
  route: Route,
  id: string,
  arrivedAt: number,
  thrown: unknown,
): void {
  if (lifecycle() !== 'serving') response.shouldKeepAlive = false;
  const { path, dialect } = route;
  const request = { id, route: path, dialect, method: incoming.method ?? 'POST', durationMs: clock.now() - arrivedAt };
  refusals.answer(incoming, response, refusals.errorOf(thrown, id), request);
}

import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** How long a client may take nothing of an answer that is finished on our side. */
const STALL_MS = 60_000;

/**
 * Drops the client of an answer that has been ended if it stops reading the rest: until the last byte is gone the call holds its place.
 * The socket's own timer is used because it alone knows whether bytes still move.
 */
export function dropIfStalled(response: ServerResponse, stallMs = STALL_MS): void {
  const { socket } = response;
  // No socket: an earlier answer of a pipelined connection goes first.
  if (socket === null) response.once('socket', (assigned: Socket) => arm(response, assigned, stallMs));
  else if (socket.writableLength > 0) arm(response, socket, stallMs);
}

/** The same for an answer that is still being written, as fast as its client takes it. */
export function dropWhenStalled(response: ServerResponse, stallMs = STALL_MS): void {
  const { socket } = response;
  if (socket === null) response.once('socket', (assigned: Socket) => arm(response, assigned, stallMs));
  else arm(response, socket, stallMs);
}

function arm(response: ServerResponse, socket: Socket, stallMs: number): void {
  socket.setTimeout(stallMs);
  response.once('finish', () => {
    // Node has set its keep-alive limit by now, unless another answer follows, which takes the time it takes.
    if (socket.timeout === stallMs) socket.setTimeout(0);
  });
}

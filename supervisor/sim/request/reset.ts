import type { Socket } from 'node:net';

/**
 * Cuts a connection as a crash would, whatever is still to be sent. One that is just being shut down is closed instead: Node 26.10 cannot
 * reset it (EINVAL), takes it for closed all the same, and neither tells its end nor lets the process exit (it spins). null: it has gone.
 */
export function reset(socket: Socket | null): void {
  if (socket === null) return;
  if (socket.writableEnded && !socket.writableFinished) socket.destroy();
  else socket.resetAndDestroy();
}

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../core/clock.ts';

/** Connections on which a body is read that may take longer than others. */
const patient = new WeakMap<Duplex, IncomingMessage>();

/** The time limit for whole requests is not for this one: whoever reads it has limits of his own. */
export function takesItsTime(incoming: IncomingMessage): void {
  patient.set(incoming.socket, incoming);
}

/** It was refused: what is left of it is read and forgotten, but not for ever. */
export function hurry(incoming: IncomingMessage, clock: Clock, limitMs: number): void {
  const { socket } = incoming;
  if (incoming.complete || incoming.destroyed || !patient.delete(socket)) return;
  // The server may have looked at its time already, and does so once.
  const timer = clock.after(limitMs, () => incoming.complete || incoming.destroy());
  socket.once('close', () => timer.cancel());
}

/** Whether the request that is being read on a connection may take its time. */
export function mayTakeItsTime(socket: Duplex, current: IncomingMessage | undefined): boolean {
  return current !== undefined && !current.complete && patient.get(socket) === current;
}

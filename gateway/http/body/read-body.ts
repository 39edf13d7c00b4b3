import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../../core/errors.ts';
import { GrowingBytes } from './growing-bytes.ts';

/** What a client may still send of a body that was refused, so that it gets to read the answer. */
const DISCARD_BYTES = 67_108_864;

/** The declared length. @throws request_too_large */
export function declaredLength(incoming: IncomingMessage, maxBytes: number): number | null {
  const header = incoming.headers['content-length'];
  if (header === undefined) return null;
  const length = Number(header);
  if (length > maxBytes) throw tooLarge(maxBytes);
  return length;
}

/**
 * The whole body. How long it may take is the server's requestTimeout.
 * @param onLength told how many bytes there are so far; what it throws refuses the request
 * @throws request_too_large · truncated_body
 */
export function readBody(incoming: IncomingMessage, maxBytes: number, onLength: (bytes: number) => void = () => {}): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const body = new GrowingBytes();
    incoming.on('data', onData);
    incoming.once('end', onEnd);
    incoming.once('close', onCut);
    incoming.once('error', onCut);

    function onData(piece: Buffer): void {
      try {
        if (body.length + piece.length > maxBytes) throw tooLarge(maxBytes);
        onLength(body.length + piece.length);
        body.add(piece);
      } catch (error) {
        stop();
        reject(error as Error);
      }
    }
    function onEnd(): void {
      stop();
      resolve(body.bytes());
    }
    function onCut(): void {
      stop();
      reject(new GatewayError('truncated_body', 'The request body ended before it was complete.', { close: true }));
    }
    function stop(): void {
      incoming.off('data', onData);
      incoming.off('end', onEnd);
      incoming.off('close', onCut);
      incoming.off('error', onCut);
    }
  });
}

/** Reads and forgets what is left of a refused body, up to a limit, after which the connection is cut. */
export function discardBody(incoming: IncomingMessage): void {
  if (incoming.complete || incoming.destroyed) return;
  let bytes = 0;
  // Whatever the body was going to would hold it back.
  incoming.unpipe();
  incoming.on('error', () => {});
  incoming.on('data', (piece: Buffer) => {
    bytes += piece.length;
    if (bytes > DISCARD_BYTES) incoming.destroy();
  });
  incoming.resume();
}

export function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('request_too_large', `The request body is larger than ${maxBytes} bytes.`);
}

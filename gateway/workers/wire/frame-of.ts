import type { FrameBatch } from '../../core/transport.ts';

const CRLF = Buffer.from('\r\n');

/** One chunk frame around payload that did not come in chunks: event streams are passed on in no other form. `payload` is not empty. */
export function frameOf(payload: Buffer): FrameBatch {
  const size = Buffer.from(`${payload.length.toString(16)}\r\n`, 'latin1');
  return {
    bytes: Buffer.concat([size, payload, CRLF]),
    count: 1,
    starts: [size.length],
    ends: [size.length + payload.length],
  };
}

/** Whether a body of this content type is told as frames (onFrames) rather than as data. */
export function isEventStream(contentType: string): boolean {
  return contentType.startsWith('text/event-stream');
}

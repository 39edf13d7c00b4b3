import { Transform, type Readable } from 'node:stream';
import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../core/errors.ts';

/** How much of an upload is looked at for its model. SDKs may send the file first: then the default model gets it. */
const LOOK_BYTES = 65_536;

export interface UploadHead {
  readonly model: string | null;
  readonly stream: boolean;
  /** The whole upload, from its first byte. */
  readonly body: Readable;
}

/** The boundary of a multipart body. @throws invalid_value without one */
export function boundaryOf(contentType: string): string {
  const boundary = /;\s*boundary=(?:"([^"\r\n]{1,200})"|([^\s;"]{1,200}))/i.exec(contentType);
  const value = boundary?.[1] ?? boundary?.[2];
  if (value === undefined)
    throw new GatewayError('invalid_value', 'The multipart body has no boundary in its content type.', { param: 'content-type' });
  return value;
}

/**
 * Looks at the beginning of an upload and hands all of it on, at the pace of its reader.
 * The body errors with request_too_large once it is longer than `maxBytes`.
 */
export async function peekUpload(incoming: IncomingMessage, boundary: string, maxBytes: number): Promise<UploadHead> {
  const head = await firstBytes(incoming);
  const text = head.toString('latin1');
  if (head.length > 0 && !text.includes(`--${boundary}`)) {
    throw new GatewayError('invalid_value', 'The multipart body does not begin with its boundary.', { param: 'content-type' });
  }
  let bytes = 0;
  const body = new Transform({
    transform(piece: Buffer, _encoding, done) {
      bytes += piece.length;
      if (bytes > maxBytes) done(new GatewayError('request_too_large', `The request body is larger than ${maxBytes} bytes.`));
      else done(null, piece);
    },
  });
  // Whoever reads the body hears its errors; until then there must be someone, or the process ends.
  body.on('error', () => {});
  incoming.on('error', (error) => body.destroy(error));
  incoming.on('close', () => {
    if (!incoming.complete) body.destroy(new GatewayError('truncated_body', 'The request body ended before it was complete.'));
  });
  if (head.length > 0) incoming.unshift(head);
  incoming.pipe(body);
  return { model: field(text, 'model'), stream: field(text, 'stream')?.toLowerCase() === 'true', body };
}

function firstBytes(incoming: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let bytes = 0;
    const onReadable = (): void => {
      for (let piece = incoming.read() as Buffer | null; piece !== null; piece = incoming.read() as Buffer | null) {
        pieces.push(piece);
        bytes += piece.length;
        if (bytes >= LOOK_BYTES) break;
      }
      // A file that follows fills the look at once; a body this short ends by itself.
      if (bytes >= LOOK_BYTES || (bytes > 0 && field(Buffer.concat(pieces).toString('latin1'), 'model') !== null)) finish();
    };
    const finish = (): void => {
      stop();
      resolve(Buffer.concat(pieces));
    };
    const onCut = (): void => {
      stop();
      reject(new GatewayError('truncated_body', 'The request body ended before it was complete.', { close: true }));
    };
    const stop = (): void => {
      incoming.off('readable', onReadable);
      incoming.off('end', finish);
      incoming.off('close', onCut);
    };
    incoming.on('readable', onReadable);
    incoming.once('end', finish);
    incoming.once('close', onCut);
  });
}

/** The value of a plain form field, if all of it is there. */
function field(text: string, name: string): string | null {
  const match = new RegExp(`name="?${name}"?\\r\\n(?:[^\\r\\n]+\\r\\n)*\\r\\n([^\\r\\n]{1,512})\\r\\n`, 'i').exec(text);
  return match?.[1] ?? null;
}

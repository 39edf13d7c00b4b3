import { Transform, type Readable } from 'node:stream';
import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../../core/errors.ts';
import { formFields } from './form-fields.ts';
import { GrowingBytes } from './read-body.ts';
import { readBody, tooLarge } from './read-body.ts';

/** How much of an upload is looked at for its model before it is handed on. */
const LOOK_BYTES = 65_536;
const MAX_FIELD_CHARS = 512;

interface UploadHead {
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

/** Where the model decides over the worker. */
interface WholeUpload {
  /** Told how much of an upload is in memory. What it throws refuses the request. */
  readonly onLength: (bytes: number) => void;
}

/**
 * Looks at the beginning of an upload and hands all of it on, at the pace of its reader. SDKs may send the file first: with `whole` an upload
 * that does not begin with its model is read to its end for it; without, nobody is told of a model that stands behind the file.
 * The body errors with request_too_large once it is longer than `maxBytes`, with truncated_body when its client leaves.
 * @throws truncated_body · request_too_large · invalid_value when it is no multipart body
 */
export async function peekUpload(
  incoming: IncomingMessage,
  boundary: string,
  maxBytes: number,
  whole: WholeUpload | null,
): Promise<UploadHead> {
  let head = await firstBytes(incoming);
  if (head.length > maxBytes) throw tooLarge(maxBytes);
  const text = head.toString('utf8');
  if (!text.includes(`--${boundary}`)) {
    throw new GatewayError('invalid_value', 'The multipart body does not begin with its boundary.', { param: 'content-type' });
  }
  let fields = formFields(text, boundary);
  if (whole && !fields.has('model') && !incoming.readableEnded) {
    const onLength = (bytes: number) => whole.onLength(head.length + bytes);
    const rest = await readBody(incoming, maxBytes - head.length, onLength);
    head = Buffer.concat([head, rest]);
    // A model's id is ASCII, and whatever else this decodes is passed on as the bytes that it was.
    fields = formFields(head.toString('latin1'), boundary);
  }
  const model = fields.get('model') ?? null;
  if (model !== null && model.length > MAX_FIELD_CHARS) {
    const message = `Invalid value for 'model': it must have at most ${MAX_FIELD_CHARS} characters.`;
    throw new GatewayError('invalid_value', message, { param: 'model' });
  }
  return { model, stream: fields.get('stream')?.toLowerCase() === 'true', body: wholeBody(incoming, head, maxBytes) };
}

function wholeBody(incoming: IncomingMessage, head: Buffer, maxBytes: number): Readable {
  let bytes = 0;
  const body = new Transform({
    transform(piece: Buffer, _encoding, done) {
      bytes += piece.length;
      if (bytes > maxBytes) done(tooLarge(maxBytes));
      else done(null, piece);
    },
  });
  // Whoever reads the body hears its errors; until then there must be someone, or the process ends.
  body.on('error', () => {});
  body.write(head);
  if (incoming.readableEnded) {
    body.end();
    return body;
  }
  incoming.on('error', (error) => body.destroy(error));
  incoming.on('close', () => {
    if (!incoming.complete) body.destroy(new GatewayError('truncated_body', 'The request body ended before it was complete.'));
  });
  incoming.pipe(body);
  return body;
}

/** Up to LOOK_BYTES, or all there is. Waiting for more than the model's field costs nothing: no worker could begin without the file. */
function firstBytes(incoming: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const head = new GrowingBytes();
    const onReadable = (): void => {
      for (let piece = incoming.read() as Buffer | null; piece !== null; piece = incoming.read() as Buffer | null) head.add(piece);
      if (head.length >= LOOK_BYTES) finish();
    };
    const finish = (): void => {
      stop();
      resolve(head.bytes());
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

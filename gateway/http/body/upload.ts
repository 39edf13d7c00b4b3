import { Transform, type Readable } from 'node:stream';
import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../../core/errors.ts';
import { FormReader } from './form-reader.ts';
import { GrowingBytes, readBody, tooLarge } from './read-body.ts';

/** How much of an upload is looked at for its model before it is handed on. */
const LOOK_BYTES = 65_536;
const MAX_NAME_CHARS = 512;

interface UploadHead {
  readonly model: string | null;
  readonly stream: boolean;
  /** The whole upload, from its first byte. */
  readonly body: Readable;
}

/** For a gateway where the model decides which worker gets the upload. */
interface WholeUpload {
  /** Told how much of an upload is in memory. What it throws refuses the request. */
  readonly onLength: (bytes: number) => void;
}

/**
 * Looks at the beginning of an upload and hands all of it on, at the pace of its reader. SDKs may send the file first: with `whole` an upload
 * that does not begin with its model is read to its end for it; without it a model behind the file is not seen.
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
  if (!head.includes(`--${boundary}`)) {
    throw new GatewayError('invalid_value', 'The multipart body does not begin with its boundary.', { param: 'content-type' });
  }
  const fields = new UploadFields(boundary);
  fields.read(head);
  if (whole && fields.model === null && !incoming.readableEnded) {
    const onLength = (bytes: number) => whole.onLength(head.length + bytes);
    const rest = await readBody(incoming, maxBytes - head.length, onLength);
    fields.read(rest);
    head = Buffer.concat([head, rest]);
  }
  const { model, stream } = fields;
  return { model, stream: stream?.toLowerCase() === 'true', body: wholeBody(incoming, head, maxBytes) };
}

/** The fields of an upload that concern us, as far as it has been read. The first of a name counts. */
class UploadFields {
  readonly #form: FormReader;
  model: string | null = null;
  stream: string | null = null;

  constructor(boundary: string) {
    this.#form = new FormReader(boundary, (name) => name === 'model' || name === 'stream');
  }

  /** @throws invalid_value for a model's name that is too long */
  read(bytes: Buffer): void {
    for (const piece of this.#form.read(bytes)) {
      if (piece.kind === 'other') continue;
      const value = piece.kind === 'field' ? piece.bytes.toString('utf8') : null;
      if (piece.name === 'stream') this.stream ??= value;
      else if (this.model === null) {
        if (value === null || value.length > MAX_NAME_CHARS) {
          const message = `Invalid value for 'model': it must have at most ${MAX_NAME_CHARS} characters.`;
          throw new GatewayError('invalid_value', message, { param: 'model' });
        }
        this.model = value;
      }
    }
  }
}

/**
 * Passes a multipart body on, with the value of its `model` field replaced wherever it stands: behind a long file too, which is where SDKs
 * may put it.
 * @param idOf the id for a name as the client wrote it; null leaves the name as it is
 */
export function renameModel(boundary: string, idOf: (name: string) => string | null): Transform {
  const form = new FormReader(boundary, (name) => name === 'model');
  return new Transform({
    transform(bytes: Buffer, _encoding, done) {
      for (const piece of form.read(bytes)) {
        if (piece.kind === 'long_field') continue;
        const id = piece.kind === 'field' && piece.bytes.length > 0 ? idOf(piece.bytes.toString('utf8')) : null;
        this.push(id === null ? piece.bytes : id);
      }
      done();
    },
    flush(done) {
      done(null, form.end());
    },
  });
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
  // The reader of the body hears its errors. Until there is one, an error without a listener would end the process.
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

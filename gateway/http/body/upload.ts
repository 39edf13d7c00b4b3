import { GatewayError } from '../../core/errors.ts';
import { FormReader } from './form-reader.ts';

/** In how much of an upload its first boundary must stand. */
const LOOK_BYTES = 65_536;
const MAX_NAME_CHARS = 512;

interface UploadFields {
  /** As the client wrote it; null where there is none. */
  readonly model: string | null;
  readonly stream: boolean;
}

/**
 * The fields of a whole upload that concern us, wherever they stand: SDKs may send the file first. The first `stream` counts; two models are refused, since readers differ in which they take.
 * @throws invalid_value when it is no multipart body, or for a model's name that is too long
 */
export function peekUpload(body: Buffer, boundary: string): UploadFields {
  if (!body.subarray(0, LOOK_BYTES).includes(`--${boundary}`)) {
    throw new GatewayError('invalid_value', 'The multipart body does not begin with its boundary.', { param: 'content-type' });
  }
  let model: string | null = null;
  let stream: string | null = null;
  for (const piece of new FormReader(boundary, (name) => name === 'model' || name === 'stream').read(body)) {
    if (piece.kind === 'other') continue;
    const value = piece.kind === 'field' ? piece.bytes.toString('utf8') : null;
    if (piece.name === 'stream') stream ??= value;
    else {
      if (model !== null) throw new GatewayError('invalid_value', 'The form names more than one model.', { param: 'model' });
      if (value === null || value.length > MAX_NAME_CHARS) {
        const message = `Invalid value for 'model': it must have at most ${MAX_NAME_CHARS} characters.`;
        throw new GatewayError('invalid_value', message, { param: 'model' });
      }
      model = value;
    }
  }
  return { model, stream: stream?.toLowerCase() === 'true' };
}

/**
 * A multipart body with the value of its `model` field replaced wherever it stands.
 * @param idOf the id for a name as the client wrote it; null leaves the name as it is
 */
export function renameModel(body: Buffer, boundary: string, idOf: (name: string) => string | null): Buffer {
  const form = new FormReader(boundary, (name) => name === 'model');
  const pieces: Buffer[] = [];
  for (const piece of form.read(body)) {
    if (piece.kind === 'long_field') continue;
    const id = piece.kind === 'field' && piece.bytes.length > 0 ? idOf(piece.bytes.toString('utf8')) : null;
    pieces.push(id === null ? piece.bytes : Buffer.from(id));
  }
  return Buffer.concat([...pieces, form.end()]);
}

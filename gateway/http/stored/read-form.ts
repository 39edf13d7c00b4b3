import type { IncomingMessage } from 'node:http';
import { Busboy, type BusboyFileStream, type BusboyInstance } from '@fastify/busboy';
import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import { invalid } from '../../openai/param-refusals.ts';
import { watchUpload } from './upload-pace.ts';

/** What busboy may hold of a file's bytes before the socket is read no further. */
const PIECE_BYTES = 262_144;
/** Parts beside the file, and what each may have. */
const MOST_FIELDS = 16;
const FIELD_BYTES = 2_048;
const PART_HEADER_BYTES = 16_384;
/** What a form may have beside its file. */
export const FORM_BYTES = 1_048_576;

/** Takes the file of a form as it comes. What it throws refuses the form. */
export interface FileTaker {
  /** @param filename undefined where the client says none */
  begin(filename: string | undefined): Promise<void>;
  /** The next is not given before this has resolved. */
  piece(bytes: Buffer): Promise<void>;
  /** A field beside it, before or behind. */
  field(name: string, value: string): void;
  /** The disk has yet to take a piece. */
  isBusy(): boolean;
  /** Nothing more comes, and what came is for nothing. Never rejects. */
  discard(): Promise<void>;
}

export interface FormLimits {
  readonly clock: Clock;
  /** Of the whole body. */
  readonly mostBytes: number;
  /** What a client may take in any case. */
  readonly allowanceMs: () => number;
  readonly tooLarge: () => GatewayError;
}

/**
 * Reads a form with one file, named `file`, wherever it stands. A few hundred kilobytes of it are in memory: the socket is read as fast as
 * the file is taken.
 * @throws invalid_value · truncated_body · request_timeout · store_unavailable, and whatever the taker throws; it is asked nothing any more
 */
export async function readForm(incoming: IncomingMessage, taker: FileTaker, limits: FormLimits): Promise<{ readonly hasFile: boolean }> {
  const form = parserFor(incoming);
  const seen: { file: BusboyFileStream | null; taken: Promise<void> } = { file: null, taken: Promise.resolve() };
  let bytes = 0;
  let isDiskStuck = false;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const malformed = (): void => reject(unparsable('it is not complete, or not well-formed'));

  form.on('file', (name, stream, filename) => {
    // What comes of the form as a whole is told once.
    stream.on('error', () => {});
    if (name !== 'file') return void stream.resume();
    if (seen.file !== null) return reject(invalid('The form holds more than one file.', 'file'));
    seen.file = stream;
    seen.taken = take(stream, taker, filename);
    seen.taken.catch(reject);
  });
  form.on('field', (name, value, _nameCut, isCut) => {
    try {
      if (isCut) throw invalid(`Invalid value for '${name.slice(0, 100)}': it has more than ${FIELD_BYTES} bytes.`, name.slice(0, 100));
      taker.field(name, value);
    } catch (error) {
      reject(error as Error);
    }
  });
  for (const limit of ['partsLimit', 'filesLimit', 'fieldsLimit'] as const) {
    form.on(limit, () => reject(invalid('The form has too many parts.', null)));
  }
  form.on('error', malformed);
  form.on('finish', () => resolve());
  const pace = watchUpload(limits.clock, { bytes: () => bytes, isBusy: () => taker.isBusy(), allowanceMs: limits.allowanceMs }, (error) => {
    isDiskStuck = taker.isBusy();
    reject(error);
  });
  const onData = (piece: Buffer): void => {
    bytes += piece.length;
    if (bytes > limits.mostBytes) reject(limits.tooLarge());
  };
  // What the server finds wrong with the body is told by this event.
  const onError = (error: Error): void => reject(error instanceof GatewayError ? error : cut());
  const onClose = (): void => void (incoming.complete || reject(cut()));
  incoming.on('data', onData).on('error', onError).on('close', onClose);
  incoming.pipe(form);
  try {
    await promise;
    await seen.taken;
    return { hasFile: seen.file !== null };
  } catch (error) {
    incoming.unpipe(form);
    seen.file?.destroy(error as Error);
    const discarded = seen.taken.catch(() => {}).then(() => taker.discard());
    // A disk that does not answer would keep the client waiting for ever.
    if (!isDiskStuck) await discarded;
    throw error;
  } finally {
    pace.cancel();
    incoming.off('data', onData).off('close', onClose).off('error', onError);
    // Whatever a parser that was left still says.
    incoming.on('error', () => {});
  }
}

async function take(stream: BusboyFileStream, taker: FileTaker, filename: string | undefined): Promise<void> {
  await taker.begin(filename);
  for await (const piece of stream) await taker.piece(piece as Buffer);
}

/** @throws invalid_value */
function parserFor({ headers }: IncomingMessage): BusboyInstance {
  const type = headers['content-type'] ?? '';
  if (!/^multipart\/form-data\s*;/i.test(type)) throw unparsable('its content type is not multipart/form-data');
  try {
    return new Busboy({
      headers: { 'content-type': type },
      limits: {
        fieldSize: FIELD_BYTES,
        fields: MOST_FIELDS,
        parts: 2 * MOST_FIELDS,
        headerPairs: MOST_FIELDS,
        headerSize: PART_HEADER_BYTES,
      },
      fileHwm: PIECE_BYTES,
      preservePath: true,
      isPartAFile: (name, type, filename) => name === 'file' || filename !== undefined || type === 'application/octet-stream',
    });
  } catch {
    throw unparsable('its content type names no boundary');
  }
}

function unparsable(why: string): GatewayError {
  return new GatewayError('invalid_value', `Could not parse multipart form: ${why}.`, { param: 'content-type' });
}

function cut(): GatewayError {
  return new GatewayError('truncated_body', 'The upload ended before it was complete.', { close: true });
}

import type { Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import { GatewayError } from '../../core/errors.ts';
import type { FrameBatch, UpstreamFailure, UpstreamHead, UpstreamListener } from '../../core/transport.ts';
import { frameOf, isEventStream } from './frame-of.ts';

const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: () => zlib.createGunzip(),
  'x-gzip': () => zlib.createGunzip(),
  deflate: () => zlib.createInflate(),
  br: () => zlib.createBrotliDecompress(),
  zstd: () => zlib.createZstdDecompress(),
};

export function isCoded(coding: string): boolean {
  return coding !== '' && coding !== 'identity';
}

/**
 * Stands between an exchange and its listener where a proxy has compressed what nobody asked it to: the listener hears the same in plain.
 * null for a coding that is not known.
 */
export function decoded(listener: UpstreamListener, coding: string): Decoded | null {
  const make = DECODERS[coding];
  return make ? new Decoded(listener, make()) : null;
}

export function unknownCoding(coding: string): GatewayError {
  const named = coding.replaceAll(/[^\w.,\- ]/g, '?').slice(0, 40);
  return new GatewayError(
    'upstream_error',
    `The worker compressed its answer, though it was asked not to, in a way that is not known here (${named}).`,
  );
}

export class Decoded implements UpstreamListener {
  readonly #listener: UpstreamListener;
  readonly #decoder: Transform;
  #isOver = false;
  #isEvents = false;

  constructor(listener: UpstreamListener, decoder: Transform) {
    this.#listener = listener;
    this.#decoder = decoder;
    decoder.on('data', (piece: Buffer) => {
      if (this.#isOver) return;
      if (this.#isEvents) listener.onFrames(frameOf(piece));
      else listener.onData(piece);
    });
    decoder.on('end', () => this.#end(() => listener.onEnd()));
    decoder.on('error', (cause) => {
      const error = new GatewayError('upstream_error', 'The worker’s compressed answer cannot be read.', { cause });
      this.#end(() => listener.onFailed({ kind: 'nonsense', error }));
    });
  }

  onSent(): void {
    this.#listener.onSent();
  }

  onHead(head: UpstreamHead): void {
    this.#isEvents = isEventStream(head.contentType);
    this.#listener.onHead({ ...head, contentLength: null });
  }

  onFrames({ bytes, count, starts, ends }: FrameBatch): void {
    for (let i = 0; i < count; i++) this.onData(bytes.subarray(starts[i], ends[i]));
  }

  onData(bytes: Buffer): void {
    if (!this.#isOver) this.#decoder.write(bytes);
  }

  onEnd(): void {
    if (!this.#isOver) this.#decoder.end();
  }

  onFailed(failure: UpstreamFailure): void {
    this.#end(() => this.#listener.onFailed(failure));
  }

  pause(): void {
    this.#decoder.pause();
  }

  resume(): void {
    this.#decoder.resume();
  }

  /** Nothing more is heard. */
  stop(): void {
    this.#end(() => {});
  }

  #end(tell: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#decoder.destroy();
    tell();
  }
}

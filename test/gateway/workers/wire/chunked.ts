import fc from 'fast-check';

/** A chunked body in any spelling the standard allows, and what it says. */
export interface ChunkedBody {
  readonly bytes: Buffer;
  readonly payloads: readonly Buffer[];
  /** Bytes before the last chunk. */
  readonly framesLength: number;
}

const payload = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom('\r\n', '0\r\n\r\n', '5\r\nhello\r\n', 'data: {"a":1}\n\n', ';', '\r').map((text) => Buffer.from(text)),
  fc.integer({ min: 100, max: 5_000 }).map((length) => Buffer.alloc(length, 'x')),
);
const size = fc.record({
  upper: fc.boolean(),
  zeros: fc.integer({ min: 0, max: 3 }),
  extension: fc.constantFrom('', '', '', ';a', ';name="va;lue"', '; x=y'),
});
const trailer = fc.constantFrom('', '', 'x-checksum: abc\r\n', 'a: b\r\nc: d\r\n');

export const chunkedBody: fc.Arbitrary<ChunkedBody> = fc
  .tuple(fc.array(fc.tuple(payload, size), { maxLength: 12 }), trailer)
  .map(([chunks, fields]) => {
    const frames = Buffer.concat(
      chunks.flatMap(([bytes, { upper, zeros, extension }]) => {
        const hex = '0'.repeat(zeros) + bytes.length.toString(16);
        return [Buffer.from(`${upper ? hex.toUpperCase() : hex}${extension}\r\n`), bytes, Buffer.from('\r\n')];
      }),
    );
    return {
      bytes: Buffer.concat([frames, Buffer.from(`0\r\n${fields}\r\n`)]),
      payloads: chunks.map(([bytes]) => bytes),
      framesLength: frames.length,
    };
  });

/** Bodies that no reader should accept. Each is one mistake in an otherwise sound one. */
export const MALFORMED: readonly [name: string, bytes: string][] = [
  ['a size that is no number', 'zz\r\n{}\r\n0\r\n\r\n'],
  ['no size', '\r\n{}\r\n0\r\n\r\n'],
  ['a negative size', '-2\r\n{}\r\n'],
  ['a size with a prefix', '0x2\r\n{}\r\n'],
  ['a size of nine digits', '000000002\r\n{}\r\n'],
  ['a space before the size', ' 2\r\n{}\r\n'],
  ['a space behind the size', '2 \r\n{}\r\n'],
  ['a bare line feed behind the size', '2\n{}\r\n'],
  ['a bare carriage return behind the size', '2\r{}\r\n'],
  ['more bytes than the size', '2\r\n{}}\r\n0\r\n\r\n'],
  ['fewer bytes than the size', '3\r\n{}\r\n0\r\n\r\n'],
  ['a bare line feed behind the bytes', '2\r\n{}\n0\r\n\r\n'],
];

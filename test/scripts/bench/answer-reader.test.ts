import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AnswerReader } from '../../../scripts/bench/tools/answer-reader.ts';

interface Read {
  readonly status: number | undefined;
  readonly payload: string;
  /** What a relay would pass on. */
  readonly framed: string;
  readonly done: boolean;
}

/** The answer, cut at these places. */
function read(answer: string, cuts: readonly number[] = []): Read {
  const bytes = Buffer.from(answer, 'latin1');
  const places = [...new Set([0, ...cuts.map((cut) => cut % bytes.length), bytes.length])].toSorted((a, b) => a - b);
  const reader = new AnswerReader();
  let [payload, framed, done] = ['', '', false];
  for (const [at, from] of places.slice(0, -1).entries()) {
    const piece = bytes.subarray(from, places[at + 1]);
    const taken = reader.take(piece, (part) => (payload += part.toString('latin1')));
    framed += (taken.before?.toString('latin1') ?? '') + piece.toString('latin1', taken.from, taken.to);
    done = taken.done;
  }
  return { status: reader.head?.status, payload, framed, done };
}

const chunked = (chunks: readonly string[], trailer = '') =>
  `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${framing(chunks)}0\r\n${trailer}\r\n`;
const framing = (chunks: readonly string[]) => chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('');

describe('an answer', () => {
  test.each([
    ['with a length', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello', { status: 200, payload: 'hello', framed: 'hello', done: true }],
    ['without a body', 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n', { status: 200, payload: '', framed: '', done: true }],
    ['that may have none', 'HTTP/1.1 204 No Content\r\n\r\n', { status: 204, payload: '', framed: '', done: true }],
    ['in chunks', chunked(['hello ', 'world']), { status: 200, payload: 'hello world', framed: framing(['hello ', 'world']), done: true }],
    ['with a trailer', chunked(['a'], 'x: y\r\n'), { status: 200, payload: 'a', framed: framing(['a']), done: true }],
    ['until the end', 'HTTP/1.1 200 OK\r\n\r\nhello', { status: 200, payload: 'hello', framed: 'hello', done: false }],
    ['after a 100', `HTTP/1.1 100 Continue\r\n\r\n${chunked(['a'])}`, { status: 200, payload: 'a', framed: framing(['a']), done: true }],
  ])('%s is read, in one piece and byte by byte', (_, answer, expected) => {
    expect(read(answer)).toEqual(expected);
    expect(
      read(
        answer,
        Array.from({ length: answer.length }, (_byte, at) => at),
      ),
    ).toEqual(expected);
  });

  test('has the same payload and the same frames however it is cut', () => {
    const chunk = fc.string({ unit: fc.constantFrom('a', '\r', '\n', '0', ';'), minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 12 }), (chunks, cuts) => {
        const expected = { status: 200, payload: chunks.join(''), framed: framing(chunks), done: true };
        expect(read(chunked(chunks), cuts)).toEqual(expected);
      }),
    );
  });

  test('is refused where it is none', () => {
    expect(() => read('SSH-2.0-OpenSSH\r\n\r\n')).toThrow('no status line');
    expect(() => read('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n')).toThrow('no size');
  });
});

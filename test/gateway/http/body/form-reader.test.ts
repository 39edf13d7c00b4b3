import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type FormPiece, FormReader } from '../../../../gateway/http/body/form-reader.ts';

/** All fields of a form by name; the first of a name counts. */
function formFields(text: string, boundary: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const piece of new FormReader(boundary, () => true).read(Buffer.from(text))) {
    if (piece.kind === 'field' && !fields.has(piece.name)) fields.set(piece.name, piece.bytes.toString());
  }
  return fields;
}

const fields = (text: string, boundary = 'x') => Object.fromEntries(formFields(text.replaceAll('\n', '\r\n'), boundary));
const part = (disposition: string, value: string) => `--x\nContent-Disposition: form-data; ${disposition}\n\n${value}\n`;

describe('the fields of a form', () => {
  test.each<[string, string, Record<string, string>]>([
    ['one', `${part('name="model"', 'm')}--x--`, { model: 'm' }],
    ['several', `${part('name="a"', '1')}${part('name="b"', '2')}--x--`, { a: '1', b: '2' }],
    ['the first of a name', `${part('name="a"', '1')}${part('name="a"', '2')}--x--`, { a: '1' }],
    ['an empty value', `${part('name="a"', '')}--x--`, { a: '' }],
    ['a value of several lines', `${part('name="a"', '1\n\n2\n')}--x--`, { a: '1\n\n2\n' }],
    ['a name without quotes', `${part('name=model', 'm')}--x--`, { model: 'm' }],
    ['a name with an escaped quote', `${part('name="a\\"b"', 'm')}--x--`, { 'a\\"b': 'm' }],
    ['no file', `${part('name="file"; filename="f"', 'x')}${part('name="a"', '1')}--x--`, { a: '1' }],
    ['no file, whatever the order', `${part('filename="f"; name="file"', 'x')}--x--`, {}],
    ['no file with an encoded name', `${part('name="file"; filename*=UTF-8\'\'f', 'x')}--x--`, {}],
    ['no part without a disposition', `--x\nContent-Type: text/plain\n\nmodel\n--x--`, {}],
    ['more headers', `--x\nContent-Type: text/plain\nCONTENT-disposition:form-data;name="a"\nX: y\n\n1\n--x--`, { a: '1' }],
    ['something before the first boundary', `preamble\n${part('name="a"', '1')}--x--`, { a: '1' }],
    ['nothing of a part that has not come whole', `${part('name="a"', '1')}${part('name="b"', '2').slice(0, -2)}`, { a: '1' }],
    ['nothing of half a head', '--x\nContent-Disposition: form-data; name="a"\n', {}],
    ['nothing without a boundary', part('name="a"', '1').replaceAll('--x', '--y'), {}],
    ['nothing of nothing', '', {}],
  ])('%s', (_name, text, expected) => {
    const found = fields(text);
    expect(Object.fromEntries(Object.entries(found).map(([name, value]) => [name, value.replaceAll('\r\n', '\n')]))).toEqual(expected);
  });

  test('names like those of prototypes are names', () => {
    expect([...formFields(part('name="__proto__"', 'x').replaceAll('\n', '\r\n') + '--x--', 'x')]).toEqual([['__proto__', 'x']]);
  });

  test('are found again in any form that is written by the standard', () => {
    const name = fc.stringMatching(/^[\w.[\] -]{1,20}$/);
    const value = fc.string().filter((text) => !text.includes('--boundary'));
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(name, value), { selector: ([key]) => key, maxLength: 6 }), fc.string(), (entries, epilogue) => {
        const body = entries
          .map(([key, text]) => `--boundary\r\nContent-Disposition: form-data; name="${key}"\r\n\r\n${text}\r\n`)
          .join('');
        expect([...formFields(`${body}--boundary--\r\n${epilogue.replaceAll('--boundary', '')}`, 'boundary')]).toEqual(entries);
      }),
    );
  });

  test('of a hostile form take time in proportion to its length', () => {
    const forms = [
      'name=model\r\n'.repeat(6_000),
      `\r\nContent-Disposition: form-data; ${'a'.repeat(64_000)}\r\n\r\n`,
      `\r\nContent-Disposition: form-data${';name="'.repeat(9_000)}\r\n\r\n`,
      `\r\nContent-Disposition: form-data${' ;'.repeat(30_000)}\r\n\r\n`,
      '\r\n--x'.repeat(12_000),
      '\r\n--x\r\n\r\n'.repeat(8_000),
      `\r\nContent-Disposition:${' '.repeat(64_000)}`,
    ];
    const startedAt = process.cpuUsage();
    for (const form of forms) formFields(`--x${form}\r\n--x--`, 'x');
    expect(process.cpuUsage(startedAt).user / 1_000).toBeLessThan(1_000);
  });
});

describe('a form that comes in pieces', () => {
  const body = (
    part('name="language"', 'de') +
    part('name="file"; filename="f"', '\n--\n-x') +
    part('name="empty"', '').replace('\n\n\n', '\n\n') +
    part('name="model"', 'm') +
    part('name="prompt"', 'p'.repeat(3_000)) +
    part('name="stream"', 'true')
  ).replaceAll('\n', '\r\n');

  /** What is read of it, cut at these places: its pieces without what only depends on the cuts, and all of its bytes. */
  function readIn(cuts: readonly number[], wanted: (name: string) => boolean): { told: unknown[]; bytes: string } {
    const reader = new FormReader('x', wanted);
    const whole = Buffer.from(`${body}--x--\r\nepilogue`);
    const places = [0, ...cuts.toSorted((a, b) => a - b), whole.length];
    const pieces: FormPiece[] = places.slice(1).flatMap((place, i) => reader.read(whole.subarray(places[i], place)));
    const bytes = Buffer.concat([...pieces.map((piece) => ('bytes' in piece ? piece.bytes : Buffer.alloc(0))), reader.end()]);
    return {
      told: pieces.flatMap((piece) =>
        piece.kind === 'other' ? [] : [{ ...piece, ...('bytes' in piece ? { bytes: piece.bytes.toString() } : {}) }],
      ),
      bytes: bytes.toString(),
    };
  }

  test('has the same fields and the same bytes wherever it is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(body.length), { maxLength: 12 }), (cuts) => {
        expect(readIn(cuts, () => true)).toEqual({
          told: [
            { kind: 'field', name: 'language', bytes: 'de' },
            { kind: 'field', name: 'empty', bytes: '' },
            { kind: 'field', name: 'model', bytes: 'm' },
            { kind: 'long_field', name: 'prompt' },
            { kind: 'field', name: 'stream', bytes: 'true' },
          ],
          bytes: `${body}--x--\r\nepilogue`,
        });
      }),
      { numRuns: 500 },
    );
  });

  test('tells only of the fields that are wanted', () => {
    expect(readIn([], (name) => name === 'model').told).toEqual([{ kind: 'field', name: 'model', bytes: 'm' }]);
  });
});

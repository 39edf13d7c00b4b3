import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formFields } from '../../../../gateway/http/body/form-fields.ts';

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

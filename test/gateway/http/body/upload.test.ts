import { expect, test } from 'vitest';
import { peekUpload, renameModel } from '../../../../gateway/http/body/upload.ts';

const BOUNDARY = 'b-1';
const idOf = (name: string): string | null => ({ 'whisper-1': 'maker/whisper-large-v3', '': 'never' })[name] ?? null;

function part(headers: string, body: string): string {
  return `--${BOUNDARY}\r\n${headers}\r\n\r\n${body}\r\n`;
}

const model = (name: string): string => part('Content-Disposition: form-data; name="model"', name);
const file = (bytes: string): string =>
  part('Content-Disposition: form-data; name="file"; filename="model"\r\nContent-Type: audio/wav', bytes);
const END = `--${BOUNDARY}--\r\n`;

const renamed = (body: string): string => renameModel(Buffer.from(body, 'latin1'), BOUNDARY, idOf).toString('latin1');

test.each([
  ['before the file', model('whisper-1') + file('RIFF') + END, model('maker/whisper-large-v3') + file('RIFF') + END],
  ['behind the file', file('RIFF') + model('whisper-1') + END, file('RIFF') + model('maker/whisper-large-v3') + END],
  ['not one of ours', model('whisper-2') + END, model('whisper-2') + END],
  ['only in the file', file(`\r\n${model('whisper-1').replaceAll('--b-1', '--b-2')}`) + END, null],
  ['the name of a file', part('Content-Disposition: form-data; name="model"; filename="x"', 'whisper-1') + END, null],
  ['in another field', part('Content-Disposition: form-data; name="prompt"', 'whisper-1') + END, null],
  ['cut off', model('whisper-1').slice(0, -4), null],
  ['in headers that never end', `--${BOUNDARY}\r\nContent-Disposition: form-data; name="model"${'x'.repeat(20_000)}`, null],
  ['too long for a name', model('w'.repeat(5_000)) + END, null],
  ['nowhere', '', null],
])('a model %s', (_name, body, expected) => {
  expect(renamed(body)).toBe(expected ?? body);
});

test.each([
  ['before the file', model('whisper-1') + file('RIFF') + END],
  ['behind a long file', file('x'.repeat(300_000)) + model('whisper-1') + END],
])('a model %s is seen', (_name, body) => {
  expect(peekUpload(Buffer.from(body), BOUNDARY)).toEqual({ model: 'whisper-1', stream: false });
});

test('two models are refused: readers differ in which they take', () => {
  const body = Buffer.from(model('whisper-1') + model('whisper-2') + END);
  expect(() => peekUpload(body, BOUNDARY)).toThrow('The form names more than one model.');
});

test('an upload may ask for a stream, and must be a form', () => {
  const stream = part('Content-Disposition: form-data; name="stream"', 'True');
  expect(peekUpload(Buffer.from(file('RIFF') + stream + END), BOUNDARY)).toEqual({ model: null, stream: true });
  for (const body of ['', 'no form', model('w'.repeat(600)) + END, model('w'.repeat(5_000)) + END]) {
    expect(() => peekUpload(Buffer.from(body), BOUNDARY)).toThrow(expect.objectContaining({ kind: 'invalid_value' }));
  }
});

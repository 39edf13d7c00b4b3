import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { renameModel } from '../../../../gateway/http/body/upload.ts';

const BOUNDARY = 'b-1';
const idOf = (name: string): string | null => ({ 'whisper-1': 'maker/whisper-large-v3', '': 'never' })[name] ?? null;

function part(headers: string, body: string): string {
  return `--${BOUNDARY}\r\n${headers}\r\n\r\n${body}\r\n`;
}

const model = (name: string): string => part('Content-Disposition: form-data; name="model"', name);
const file = (bytes: string): string =>
  part('Content-Disposition: form-data; name="file"; filename="model"\r\nContent-Type: audio/wav', bytes);
const END = `--${BOUNDARY}--\r\n`;

/** What comes out of a body that goes in cut at the given places. */
async function renamed(body: string, cuts: readonly number[] = []): Promise<string> {
  const bytes = Buffer.from(body, 'latin1');
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  const pieces = places.slice(1).map((place, i) => bytes.subarray(places[i], place));
  const out = await buffer(Readable.from(pieces.filter((piece) => piece.length > 0)).pipe(renameModel(BOUNDARY, idOf)));
  return out.toString('latin1');
}

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
])('a model %s', async (_name, body, expected) => {
  expect(await renamed(body)).toBe(expected ?? body);
});

test('where the body is cut on its way makes no difference', async () => {
  const body = part('Content-Disposition: form-data; name="language"', 'de') + file('\r\n--b-\r\n--b') + model('whisper-1') + END;
  const whole = await renamed(body);
  expect(whole).toContain('maker/whisper-large-v3');
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(body.length), { maxLength: 12 }), async (cuts) => {
      expect(await renamed(body, cuts)).toBe(whole);
    }),
  );
  expect(
    await renamed(
      body,
      [...body].map((_, i) => i),
    ),
  ).toBe(whole);
});

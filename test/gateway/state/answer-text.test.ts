import fc from 'fast-check';
import { expect, test } from 'vitest';
import { answerText, claimText, readAnswerText } from '../../../gateway/state/answer-text.ts';

test('an answer is read as it was written, text or not', () => {
  const headers = fc.dictionary(fc.string(), fc.string());
  const about = fc.record({ bornAt: fc.double({ noNaN: true, noDefaultInfinity: true }) });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.string(), headers, about, (raw, text, head, what) => {
      for (const bytes of [Buffer.from(raw), Buffer.from(text)]) {
        const read = readAnswerText(answerText({ status: 200, headers: head, bytes }, what, 5));
        expect(read).toEqual({
          kind: 'answer',
          answer: { status: 200, headers: { ...head }, bytes },
          about: JSON.parse(JSON.stringify(what)),
          at: 5,
        });
      }
    }),
  );
});

test('so is whoever makes one', () => {
  expect(readAnswerText(claimText({ fingerprint: 'f' }, 'g'))).toEqual({ kind: 'claim', about: { fingerprint: 'f' }, owner: 'g' });
});

test.each([
  '',
  'x',
  'A',
  'A{}',
  'A{\n',
  'A{}\nbody',
  'A{"status":"200","headers":{},"at":1}\n',
  'A{"status":200,"headers":null,"at":1}\n',
  'C',
  'C{}',
  'C{"owner":1}',
])('anything else is nothing: %j', (text) => expect(readAnswerText(text)).toBeNull());

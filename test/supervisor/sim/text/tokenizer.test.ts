import { expect, test } from 'vitest';
import fc from 'fast-check';
import { decode, encode, encodePieces, TOKEN, tokenText, VOCABULARY_SIZE } from '../../../../supervisor/sim/text/tokenizer.ts';

test('any text comes back from its tokens', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary-ascii' }), fc.lorem()), (text) => {
      const ids = encode(text);
      expect(decode(ids)).toBe(text);
      expect(
        encodePieces(text)
          .map((piece) => piece.text)
          .join(''),
      ).toBe(text);
      for (const id of ids) {
        expect(Number.isInteger(id)).toBe(true);
        expect(id).toBeGreaterThanOrEqual(0);
        expect(id).toBeLessThan(VOCABULARY_SIZE);
      }
    }),
  );
});

test('English comes to about four characters a token', () => {
  const text =
    'The headgate is the gate at the head of a channel: it decides how much water enters, and when. Behind it the fields wait for their share of the river.';
  const perToken = text.length / encode(text).length;
  expect(perToken).toBeGreaterThan(3.2);
  expect(perToken).toBeLessThan(5);
});

test('a word has the same token wherever it stands, and another one with a space before it', () => {
  expect(encode('gate')).toEqual(encode('gate'));
  expect(encode('gate')).not.toEqual(encode(' gate'));
  expect(encode('a gate')).toEqual([...encode('a'), ...encode(' gate')]);
});

test('special tokens have a name but add nothing to a text', () => {
  expect(tokenText(TOKEN.eos)).toBe('<|end|>');
  expect(decode([...encode('end'), TOKEN.eos])).toBe('end');
});

test('ids that stand for nothing have no text', () => {
  expect([-1, 1.5, VOCABULARY_SIZE, 1700].map(tokenText)).toEqual(['', '', '', '']);
});

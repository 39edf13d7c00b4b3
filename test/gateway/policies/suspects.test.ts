import { expect, test } from 'vitest';
import { Suspects } from '../../../gateway/policies/suspects.ts';

const BODY = Buffer.from('{"prompt":"the one that kills"}');
const SAME_BYTES = Buffer.from(BODY);
const OTHER = Buffer.from('{"prompt":"another"}');
const TEN_MINUTES_MS = 600_000;

test('one death proves nothing, two condemn the body', () => {
  const suspects = new Suspects();
  expect(suspects.record(BODY, 'w0', 0)).toBe(1);
  expect(suspects.condemned(SAME_BYTES, 0)).toBe(false);
  expect(suspects.record(SAME_BYTES, 'w1', 10)).toBe(2);
  expect(suspects.condemned(SAME_BYTES, 10)).toBe(true);
  expect(suspects.condemned(OTHER, 10)).toBe(false);
});

test('a worker dies once, however many equal bodies it takes with it', () => {
  const suspects = new Suspects();
  for (let i = 0; i < 64; i++) expect(suspects.record(BODY, 'w0 since 12', 0)).toBe(1);
  expect(suspects.condemned(BODY, 0)).toBe(false);
});

test('the same worker counts again once it has been restarted', () => {
  const suspects = new Suspects();
  suspects.record(BODY, 'w0 since 12', 0);
  expect(suspects.record(BODY, 'w0 since 99', 100)).toBe(2);
});

test('is forgotten ten minutes after the last death', () => {
  const suspects = new Suspects();
  suspects.record(BODY, 'w0', 0);
  suspects.record(BODY, 'w1', 1_000);
  expect(suspects.condemned(BODY, TEN_MINUTES_MS + 1_000)).toBe(true);
  expect(suspects.condemned(BODY, TEN_MINUTES_MS + 1_001)).toBe(false);
});

test('two deaths that lie more than ten minutes apart do not add up', () => {
  const suspects = new Suspects();
  suspects.record(BODY, 'w0', 0);
  expect(suspects.record(BODY, 'w1', TEN_MINUTES_MS + 1)).toBe(1);
  expect(suspects.condemned(BODY, TEN_MINUTES_MS + 1)).toBe(false);
});

test('remembers the thousand bodies whose deaths are the latest', () => {
  const suspects = new Suspects();
  for (const life of ['w0', 'w1']) for (let i = 0; i < 1_000; i++) suspects.record(Buffer.from(`body ${i}`), life, i);
  suspects.record(OTHER, 'w0', 1_000);
  expect(suspects.condemned(Buffer.from('body 0'), 1_000)).toBe(false);
  expect(suspects.condemned(Buffer.from('body 1'), 1_000)).toBe(true);
  expect(suspects.condemned(Buffer.from('body 999'), 1_000)).toBe(true);
});

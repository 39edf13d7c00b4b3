import { expect, test } from 'vitest';
import { idMaker } from '../../../../gateway/core/secrets/id-maker.ts';

test('ids are 32 hexadecimal digits, and no two of several thousand are alike or follow from each other', () => {
  const make = idMaker();
  const ids = Array.from({ length: 5_000 }, make);
  expect(ids.every((id) => /^[0-9a-f]{32}$/.test(id))).toBe(true);
  expect(new Set(ids.flatMap((id) => [id.slice(0, 16), id.slice(16)])).size).toBe(10_000);
});

import { expect, test } from 'vitest';
import { assemble, MOST_BYTES } from '../../../gateway/bundle/assemble.ts';
import { bounded } from '../../../gateway/bundle/bounded.ts';
import { BundleDesk, REST_MS } from '../../../gateway/bundle/desk.ts';
import { Pace } from '../../../gateway/bundle/pace.ts';
import { GatewayError } from '../../../gateway/core/errors.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { veilOver } from './veil-over.ts';

/** What a part of this value takes, in bytes. */
function takes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify({ x: value }, null, 2)) - Buffer.byteLength('{\n  "x": \n}');
}

test.each([
  ['a list', Array.from({ length: 10_000 }, (_, i) => `line ${i}`)],
  ['a group', Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`n${i}`, i]))],
  ['groups in lists', Array.from({ length: 5_000 }, (_, i) => ({ a: i, b: ['x'.repeat(50)], c: {}, d: [] }))],
  ['signs that take more bytes', Array.from({ length: 5_000 }, () => 'ü€𝄞')],
  ['quotes, which JSON writes with escapes', Array.from({ length: 5_000 }, () => 'metric{a="b",c="d"} \\ \u0001 1')],
  ['names with escapes', Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`"\t${i}"`, 1.123456789012345]))],
])('%s is cut with a mark at its bytes, as JSON has them, and what is first stays', (_, value) => {
  for (const bytes of [20_000, 20_001, 20_050]) {
    const cut = bounded(value, bytes);
    expect(cut.isCut).toBe(true);
    expect(takes(cut.value)).toBeLessThanOrEqual(bytes);
    // No more is missing than one more would have taken.
    expect(takes(cut.value)).toBeGreaterThan(bytes - 450);
    expect(JSON.stringify(cut.value)).toMatch(/\d+ more/);
  }
});

test('what takes exactly its bytes and a mark is whole', () => {
  const value = { a: [1, 'two "2"', null, true, { b: {} }] };
  const most = Array.from({ length: 400 }, (_, bytes) => bytes).find((bytes) => !bounded(value, bytes).isCut)!;
  expect(bounded(value, most).value).toEqual(value);
  // So much is kept for the marks of three groups.
  expect(most - takes(value)).toBeLessThan(150);
  for (let bytes = 0; bytes < most; bytes += 1)
    expect(takes(bounded(value, bytes).value)).toBeLessThanOrEqual(Math.max(bytes, '"(cut)"'.length));
});

test('a long text is cut, says so, and stays text', () => {
  const cut = bounded(['x𝄞'.repeat(100_000)], 20_000);
  expect(cut.isCut).toBe(true);
  const text = JSON.stringify(cut.value);
  expect(text).toMatch(/\d+ characters cut/);
  expect(text.isWellFormed()).toBe(true);
});

test('what fits is as it was', () => {
  const value = { a: [1, 'two', null, true, { b: {} }], c: undefined };
  expect(bounded(value, 1_000)).toEqual({ value: { a: value.a }, isCut: false });
});

test('a part that fails, hangs or is too long costs no other, and is told of without its words', async () => {
  const clock = createFakeClock();
  const parts = [
    { name: 'fails', bytes: 1_000, make: () => Promise.reject(Object.assign(new TypeError('at 10.0.0.1'), { code: 'ENOENT' })) },
    { name: 'hangs', bytes: 1_000, make: () => new Promise(() => {}) },
    { name: 'none', bytes: 1_000, make: () => null },
    { name: 'huge', bytes: 2 * MOST_BYTES, make: () => Array.from({ length: 400_000 }, () => '"quoted" twenty \\ chars') },
    { name: 'late', bytes: 1_000, make: () => 'there' },
  ];
  const made = assemble(parts, () => ['all is well'], await veilOver([]), clock, new Pace(clock));
  for (let turn = 0; turn < 20; turn += 1) await clock.advance(500);
  const text = await made;
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(MOST_BYTES);
  const bundle = JSON.parse(text) as Record<string, unknown>;
  expect(bundle['left_out']).toEqual([
    { part: 'fails', why: 'it could not be made (TypeError ENOENT)' },
    { part: 'hangs', why: 'it was not there within 3 s' },
    { part: 'none', why: 'there is none here' },
    { part: 'huge', why: 'cut to some 5056 KiB; marks say where' },
  ]);
  expect((bundle['huge'] as string[]).at(-1)).toMatch(/^\(\d+ more cut\)$/);
  expect(Buffer.byteLength(text)).toBeGreaterThan(MOST_BYTES - 65 * 1024);
  expect(bundle['late']).toBe('there');
  expect(text).not.toContain('10.0.0.1');
});

test('one is made at a time, with a rest in between, also after one that failed', async () => {
  const clock = createFakeClock();
  let end: (text: string) => void = () => {};
  let makes = 0;
  const desk = new BundleDesk(clock, () => {
    makes += 1;
    return makes === 2 ? Promise.reject(new Error('no')) : new Promise((resolve) => (end = resolve));
  });
  const refused = () =>
    desk.bundle().then(
      () => null,
      (error: unknown) => (error instanceof GatewayError ? error : null),
    );
  const first = desk.bundle();
  expect((await refused())?.kind).toBe('bundle_too_soon');
  end('text');
  expect(await first).toBe('text');
  await clock.advance(REST_MS - 1);
  const early = await refused();
  expect(early).toMatchObject({ status: 429, details: { retryAfterMs: 1 } });
  await clock.advance(1);
  await expect(desk.bundle()).rejects.toThrow('no');
  expect((await refused())?.kind).toBe('bundle_too_soon');
  await clock.advance(REST_MS);
  const third = desk.bundle();
  end('again');
  expect(await third).toBe('again');
  expect(makes).toBe(3);
});

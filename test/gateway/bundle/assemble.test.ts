import { expect, test } from 'vitest';
import { assemble, MOST_BYTES } from '../../../gateway/bundle/assemble.ts';
import { bounded } from '../../../gateway/bundle/bounded.ts';
import { BundleDesk, REST_MS } from '../../../gateway/bundle/desk.ts';
import { Pace } from '../../../gateway/bundle/pace.ts';
import { GatewayError } from '../../../gateway/core/errors.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { veilOver } from './veil-over.ts';

test.each([
  ['a list', Array.from({ length: 10_000 }, (_, i) => `line ${i}`)],
  ['a group', Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`n${i}`, i]))],
  ['groups in lists', Array.from({ length: 5_000 }, (_, i) => ({ a: i, b: ['x'.repeat(50)] }))],
  ['quotes and signs that take more bytes', Array.from({ length: 5_000 }, () => 'ü€𝄞')],
  ['one long text', 'x𝄞'.repeat(100_000)],
])('%s is cut with a mark, and what is first stays', (_, value) => {
  const cut = bounded(value, 20_000);
  expect(cut.isCut).toBe(true);
  const text = JSON.stringify(cut.value, null, 2);
  expect(Buffer.byteLength(text)).toBeLessThan(40_000);
  expect(text).toMatch(/\d+ (?:more|characters)/);
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
    { part: 'huge', why: expect.stringMatching(/cut|no room/) as unknown },
    ...(bundle['huge'] === undefined ? [{ part: 'huge', why: 'no room was left for it' }] : []),
  ]);
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

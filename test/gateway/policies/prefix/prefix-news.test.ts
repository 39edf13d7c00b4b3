import { expect, test } from 'vitest';
import { PrefixNews, type SentPrompt } from '../../../../gateway/policies/prefix/prefix-news.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';

function setUp() {
  const clock = createFakeClock();
  const told: (readonly SentPrompt[])[] = [];
  return { clock, told, news: new PrefixNews(clock, (prompts) => told.push(prompts)) };
}

test('what was sent within a tenth of a second is told at once', async () => {
  const { clock, told, news } = setUp();
  news.add('w0', [1, 2]);
  await clock.advance(60);
  news.add('w1', [3]);
  expect(told).toEqual([]);
  await clock.advance(60);
  expect(told).toEqual([
    [
      ['w0', [1, 2]],
      ['w1', [3]],
    ],
  ]);
  news.add('w0', [4]);
  await clock.advance(100);
  expect(told).toHaveLength(2);
  expect(clock.pending).toBe(0);
});

test('no more is told at once than has room', async () => {
  const { clock, told, news } = setUp();
  const long = Array.from({ length: 15_000 }, (_, i) => i);
  news.add('w0', long);
  news.add('w0', long);
  news.add('w0', [1]);
  await clock.advance(100);
  expect(told).toEqual([
    [
      ['w0', long],
      ['w0', [1]],
    ],
  ]);
});

test('closed, it plans nothing more', () => {
  const { clock, news } = setUp();
  news.add('w0', [1]);
  news.close();
  expect(clock.pending).toBe(0);
});

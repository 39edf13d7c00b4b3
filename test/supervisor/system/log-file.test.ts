import { appendFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { keepAsFailed, LogFollower, logFiles, rotate } from '../../../supervisor/system/log-file.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { scratchFolder } from '../support/scratch.ts';

function followed(maxFileBytes?: number) {
  const path = join(scratchFolder(), 'worker.log');
  writeFileSync(path, '');
  const clock = createFakeClock();
  const pieces: Buffer[] = [];
  const follower = new LogFollower(
    clock,
    path,
    (bytes) => pieces.push(Buffer.from(bytes)),
    maxFileBytes === undefined ? {} : { maxFileBytes },
  );
  onTestFinished(() => follower.close());
  return { path, clock, follower, read: () => Buffer.concat(pieces).toString('utf8') };
}

describe('LogFollower', () => {
  test('tells what is appended, as it is appended', async () => {
    const { path, clock, read } = followed();
    appendFileSync(path, 'one\n');
    await clock.advance(200);
    expect(read()).toBe('one\n');
    appendFileSync(path, 'two\n');
    await clock.advance(200);
    expect(read()).toBe('one\ntwo\n');
  });

  test('looks less often once nothing comes, and sees what comes then all the same', async () => {
    const { path, clock, read } = followed();
    appendFileSync(path, 'first\n');
    await clock.advance(100);
    let looks = 0;
    const { after } = clock;
    clock.after = (ms, fn) => {
      looks += 1;
      return after(ms, fn);
    };
    await clock.advance(1000);
    expect(looks).toBe(10);
    await clock.advance(60_000);
    looks = 0;
    await clock.advance(4000);
    expect(looks).toBe(10);
    appendFileSync(path, 'late\n');
    await clock.advance(400);
    expect(read()).toBe('first\nlate\n');
    looks = 0;
    await clock.advance(1000);
    expect(looks).toBeGreaterThan(6);
  });

  test('reads to the end when it is closed, and no further', async () => {
    const { path, clock, follower, read } = followed();
    appendFileSync(path, 'last words');
    follower.close();
    appendFileSync(path, 'from the grave');
    await clock.advance(1000);
    expect(read()).toBe('last words');
    expect(clock.pending).toBe(0);
  });

  test('does not tear a character that is written in two pieces', async () => {
    const { path, clock, read } = followed();
    const bytes = Buffer.from('naïve\n');
    appendFileSync(path, bytes.subarray(0, 3));
    await clock.advance(200);
    appendFileSync(path, bytes.subarray(3));
    await clock.advance(200);
    expect(read()).toBe('naïve\n');
  });

  test('keeps the file from growing without end, and goes on reading', async () => {
    const { path, clock, read } = followed(1000);
    for (let i = 0; i < 50; i += 1) {
      appendFileSync(path, `${'x'.repeat(95)}${String(i).padStart(4, '0')}\n`);
      await clock.advance(200);
    }
    expect(statSync(path).size).toBeLessThanOrEqual(1100);
    expect(statSync(`${path}.1`).size).toBeLessThanOrEqual(1100);
    expect(read().match(/\d{4}\n/g)).toHaveLength(50);
  });

  test('keeps it so where the part over the limit cannot be put anywhere', async () => {
    const { path, clock, read } = followed(1000);
    mkdirSync(`${path}.1`);
    for (let i = 0; i < 50; i += 1) {
      appendFileSync(path, `${'x'.repeat(95)}${String(i).padStart(4, '0')}\n`);
      await clock.advance(200);
    }
    expect(statSync(path).size).toBeLessThanOrEqual(1100);
    expect(read().match(/x\d{4}\n/g)).toHaveLength(50);
    expect(read().match(/could not be kept/g)).toHaveLength(1);
  });

  test('skips the middle of a flood and comes to its end', async () => {
    const { path, clock, read } = followed();
    appendFileSync(path, `${'x'.repeat(1000)}\n`.repeat(20_000));
    appendFileSync(path, 'the end\n');
    await clock.advance(200);
    expect(read().endsWith('the end\n')).toBe(true);
    expect(read().length).toBeLessThan(10 * 2 ** 20);
  });
});

test('the logs of this start, of the one before and of the last failure are kept', () => {
  const files = logFiles(join(scratchFolder(), 'logs'), 'worker-1');
  rotate(files);
  keepAsFailed(files.current, files);
  expect(existsSync(files.failed)).toBe(false);
  for (const [start, failed] of [
    ['first', true],
    ['second', false],
    ['third', false],
  ] as const) {
    rotate(files);
    writeFileSync(files.current, start);
    if (failed) keepAsFailed(files.current, files);
  }
  expect([files.current, files.previous, files.failed].map((file) => readFileSync(file, 'utf8'))).toEqual(['third', 'second', 'first']);
});

import { expect, test } from 'vitest';
import { StandardOutput } from '../../../../gateway/core/log/standard-output.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';

/** An output with a state of health: it takes all, half of it, nothing for now, or cannot be written to. */
function scene(gathers: boolean) {
  const clock = createFakeClock();
  const out = { written: [] as string[], state: 'well' as 'well' | 'slow' | 'asleep' | 'full' };
  const refuse = (code: string): never => {
    throw Object.assign(new Error(code), { code });
  };
  const destination = new StandardOutput(
    clock,
    gathers,
    (lines) => `lost ${lines}\n`,
    (bytes) => {
      if (out.state === 'asleep') refuse('EAGAIN');
      if (out.state === 'full') refuse('ENOSPC');
      const taken = out.state === 'slow' ? Math.ceil(bytes.length / 2) : bytes.length;
      out.written.push(bytes.toString('utf8', 0, taken));
      return taken;
    },
  );
  return { clock, out, destination, text: () => out.written.join('') };
}

test('lines are gathered up to a size, or for a while', async () => {
  const { clock, out, destination } = scene(true);
  destination.write('one\n');
  destination.write('two\n');
  expect(out.written).toEqual([]);
  await clock.advance(200);
  expect(out.written).toEqual(['one\ntwo\n']);
  destination.write('x'.repeat(5000));
  expect(out.written).toHaveLength(2);
  expect(clock.pending).toBe(0);
});

test('what goes out together is whole lines, of no more bytes than a pipe takes in one piece', async () => {
  const { clock, out, destination, text } = scene(true);
  const lines = Array.from({ length: 200 }, (_, i) => `${i} ${'ä'.repeat(i % 90)}\n`);
  for (const line of lines.slice(0, 100)) destination.write(line);
  out.state = 'asleep';
  for (const line of lines.slice(100)) destination.write(line);
  out.state = 'well';
  await clock.advance(300);
  expect(text()).toBe(lines.join(''));
  expect(out.written.length).toBeLessThan(12);
  for (const piece of out.written) expect(piece.endsWith('\n') && piece.length <= 4096).toBe(true);
});

test('lines for people come one by one', () => {
  const { out, destination } = scene(false);
  destination.write('one\n');
  destination.write('two\n');
  expect(out.written).toEqual(['one\n', 'two\n']);
});

test('what is taken in pieces stays whole', () => {
  const { out, destination, text } = scene(false);
  out.state = 'slow';
  for (let i = 0; i < 20; i++) destination.write(`line ${i}\n`);
  expect(text()).toBe(Array.from({ length: 20 }, (_, i) => `line ${i}\n`).join(''));
});

test('a reader that sleeps for a while loses nothing', async () => {
  const { clock, out, destination, text } = scene(false);
  out.state = 'asleep';
  for (let i = 0; i < 3; i++) destination.write(`line ${i}\n`);
  await clock.advance(1000);
  expect(text()).toBe('');
  out.state = 'well';
  await clock.advance(50);
  expect(text()).toBe('line 0\nline 1\nline 2\n');
  expect(clock.pending).toBe(0);
});

test('one that sleeps on costs lines and no memory, and is told of them when it wakes', async () => {
  const { clock, out, destination, text } = scene(false);
  out.state = 'asleep';
  const line = `${'x'.repeat(1023)}\n`;
  for (let i = 0; i < 3000; i++) destination.write(line);
  out.state = 'well';
  await clock.advance(50);
  destination.write('awake\n');
  const [, kept = '', lost = '', rest] = /^((?:x+\n)+)(lost \d+\n)?((?:x+\n)*awake\n)$/.exec(text()) ?? [];
  expect(kept.length).toBeLessThan(1_100_000);
  expect(rest).toBe('awake\n');
  expect(kept.length / line.length + Number(/\d+/.exec(lost)?.[0])).toBe(3000);
});

test('a disk that is full costs lines, and is told of them when there is room', () => {
  const { out, destination, text } = scene(false);
  out.state = 'full';
  for (let i = 0; i < 3; i++) destination.write(`line ${i}\n`);
  out.state = 'well';
  destination.write('room\n');
  expect(text()).toMatch(/^lost 3\nroom\n$/);
});

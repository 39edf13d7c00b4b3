import { expect, test } from 'vitest';
import { standardOutput } from '../../../gateway/telemetry/standard-output.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

/** An output that does with each text what `behaves` says. */
function scene(gathers: boolean) {
  const clock = createFakeClock();
  let fail: (error: Error) => void = () => {};
  const out = {
    written: [] as string[],
    writableLength: 0,
    isFull: false,
    write(text: string) {
      if (out.isFull) fail(new Error('ENOSPC'));
      else out.written.push(text);
      return true;
    },
    on(_: 'error', listener: (error: Error) => void) {
      fail = listener;
    },
  };
  const destination = standardOutput(clock, gathers, (lines) => `lost ${lines}\n`, out);
  return { clock, out, destination };
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

test('lines for people come one by one', () => {
  const { out, destination } = scene(false);
  destination.write('one\n');
  destination.write('two\n');
  expect(out.written).toEqual(['one\n', 'two\n']);
});

test('a reader that sleeps costs lines and no memory, and is told of them when it wakes', () => {
  const { out, destination } = scene(false);
  out.writableLength = 2_000_000;
  for (let i = 0; i < 100; i++) destination.write(`line ${i}\n`);
  expect(out.written).toEqual([]);
  out.writableLength = 0;
  destination.write('awake\n');
  destination.write('more\n');
  expect(out.written).toEqual(['lost 100\nawake\n', 'more\n']);
});

test('a disk that is full costs lines, and is told of them when there is room', () => {
  const { out, destination } = scene(false);
  out.isFull = true;
  for (let i = 0; i < 3; i++) destination.write(`line ${i}\n`);
  out.isFull = false;
  destination.write('room\n');
  expect(out.written).toEqual([expect.stringMatching(/^lost \d+\nroom\n$/)]);
});

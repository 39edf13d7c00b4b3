import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { lifeOf, processOf } from '../../../../gateway/state/store/process-life.ts';

test('a process runs until it is gone; one that has its number since is another', async () => {
  const child = spawn('sleep', ['600']);
  const named = processOf(child.pid!);
  expect(lifeOf(named)).toBe('runs');
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(lifeOf(named)).toBe('gone');
  const mine = processOf(process.pid);
  expect(lifeOf(mine)).toBe('runs');
  expect(lifeOf({ ...mine, startedAt: mine.startedAt.replace(/\d+$/, '7') })).toBe('gone');
});

test('of a process on another machine, or in another container, nobody can tell', () => {
  expect(lifeOf({ pid: process.pid, startedAt: 'another boot pid:[1] 7' })).toBe('unknown');
});

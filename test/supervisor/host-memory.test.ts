import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { oomKillCount } from '../../supervisor/host-memory.ts';
import { scratchFolder } from './support/scratch.ts';

function kernel(cgroup: string, group: string) {
  const root = scratchFolder();
  const at = { proc: join(root, 'proc'), cgroup: join(root, 'cgroup') };
  mkdirSync(join(at.proc, '7'), { recursive: true });
  writeFileSync(join(at.proc, '7', 'cgroup'), cgroup);
  mkdirSync(join(at.cgroup, group), { recursive: true });
  const events = join(at.cgroup, group, 'memory.events');
  return { at, say: (kills: number) => writeFileSync(events, `low 0\nhigh 0\nmax 3\noom ${kills}\noom_kill ${kills}\noom_group_kill 0\n`) };
}

test.each([
  ['a group of its own', '12:pids:/x\n0::/system.slice/headgate.service\n', 'system.slice/headgate.service'],
  ['the root that a container sees', '0::/\n', ''],
])('the kernel’s kills are counted in %s, also after the process is gone', (_, cgroup, group) => {
  const { at, say } = kernel(cgroup, group);
  say(2);
  const count = oomKillCount(7, at);
  expect(count()).toBe(2);
  say(3);
  rmSync(join(at.proc, '7'), { recursive: true });
  expect(count()).toBe(3);
});

test('nothing is claimed where the kernel does not say', () => {
  expect(oomKillCount(7, kernel('1:name=systemd:/\n', '').at)()).toBeNull();
  expect(oomKillCount(7, kernel('0::/gone\n', 'other').at)()).toBeNull();
  expect(oomKillCount(8, kernel('0::/\n', '').at)()).toBeNull();
});

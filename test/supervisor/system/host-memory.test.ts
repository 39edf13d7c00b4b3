import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { oomKillCount } from '../../../supervisor/system/host-memory.ts';
import { scratchFolder } from '../support/scratch.ts';

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

describe('where memory is still in a tree of its own', () => {
  function old(cgroup: string, group: string) {
    const { at } = kernel(cgroup, 'unified');
    mkdirSync(join(at.cgroup, 'memory', group), { recursive: true });
    const file = join(at.cgroup, 'memory', group, 'memory.oom_control');
    return { at, say: (text: string) => writeFileSync(file, `oom_kill_disable 0\nunder_oom 0\n${text}`) };
  }

  test.each([
    [
      'a group of its own',
      '11:cpu,cpuacct:/x\n4:memory:/system.slice/headgate.service\n0::/system.slice\n',
      'system.slice/headgate.service',
    ],
    ['a container, which is told its path on the host', '4:memory:/docker/abc\n', ''],
    ['a tree that memory shares', '4:memory,hugetlb:/a\n', 'a'],
  ])('the kernel’s kills are counted in %s', (_, cgroup, group) => {
    const { at, say } = old(cgroup, group);
    say('oom_kill 1\n');
    const count = oomKillCount(7, at);
    expect(count()).toBe(1);
    say('oom_kill 4\n');
    expect(count()).toBe(4);
  });

  test('a kernel from before they were counted says nothing', () => {
    const { at, say } = old('4:memory:/a\n', 'a');
    say('');
    expect(oomKillCount(7, at)()).toBeNull();
  });
});

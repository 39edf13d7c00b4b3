import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../gateway/core/clock.ts';
import { GroupWatch } from '../../../supervisor/system/group-watch.ts';
import { listProcesses } from '../../../supervisor/system/processes.ts';

const groups: number[] = [];
const watches: GroupWatch[] = [];

afterEach(() => {
  for (const watch of watches.splice(0)) watch.stop();
  for (const group of groups.splice(0)) {
    try {
      process.kill(-group, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
});

/** A group whose leader has two children and takes no notice of what becomes of them, as vLLM's API server. */
async function startGroup(): Promise<{ leader: number; members: () => number[]; watch: GroupWatch }> {
  const child = spawn('sh', ['-c', 'sleep 60 & sleep 60 & exec sleep 60'], { detached: true, stdio: 'ignore' });
  const leader = child.pid!;
  groups.push(leader);
  const members = () => listProcesses().flatMap(({ pid, group }) => (group === leader && pid !== leader ? [pid] : []));
  await expect.poll(() => members().length).toBe(2);
  const watch = new GroupWatch(systemClock, leader, (name) => name === 'sleep');
  watches.push(watch);
  // It has looked once.
  await new Promise((done) => setTimeout(done, 150));
  return { leader, members, watch };
}

describe.skipIf(!existsSync('/proc/self/stat'))('of an engine’s processes', () => {
  test.each(['SIGKILL', 'SIGABRT', 'SIGTERM'] as const)('the first that is gone is known, and that it was by %s', async (signal) => {
    const { members, watch } = await startGroup();
    expect(watch.first).toBeNull();
    const [victim] = members();
    process.kill(victim!, signal);
    await expect.poll(() => watch.first).toEqual({ name: 'sleep', pid: victim, exit: { code: null, signal } });
    // What follows is a consequence.
    for (const pid of members()) process.kill(pid, 'SIGTERM');
    await expect.poll(members).toEqual([]);
    await new Promise((done) => setTimeout(done, 150));
    expect(watch.first).toMatchObject({ pid: victim });
  });

  test('none is the first where the one that we have started ends with them', async () => {
    const { leader, members, watch } = await startGroup();
    process.kill(-leader, 'SIGKILL');
    await expect.poll(members).toEqual([]);
    await new Promise((done) => setTimeout(done, 150));
    expect(watch.first).toBeNull();
  });

  test('none is blamed for what we have ended ourselves', async () => {
    const { members, watch } = await startGroup();
    watch.stop();
    process.kill(members()[0]!, 'SIGKILL');
    await expect.poll(() => members().length).toBe(1);
    expect(watch.first).toBeNull();
  });
});

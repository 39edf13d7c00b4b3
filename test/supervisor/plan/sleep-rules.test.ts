import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { mostUtilization } from '../../../supervisor/fit/settings.ts';
import { fileNameOf } from '../../../supervisor/system/file-name.ts';
import { availableHostBytes } from '../../../supervisor/system/host-free.ts';
import { loadProfiles } from '../../../supervisor/profile/profile.ts';
import { sleepLevel } from '../../../supervisor/engine/sleep-level.ts';
import { feasible, reservedGib, swapRules } from '../../../supervisor/plan/swap-rules.ts';
import { scratchFolder } from '../support/scratch.ts';

const GIB = 2 ** 30;
const profiles = loadProfiles();
const NOTHING = { strategy: null, sleep_level: null, dwell_ms: null, idle_unload_ms: null };

describe('the level of sleep', () => {
  test('is the one that is wanted where main memory has room for the weights', () => {
    expect(sleepLevel(1, 9.3, 16 * GIB)).toBe(1);
    expect(sleepLevel(2, 9.3, 16 * GIB)).toBe(2);
  });

  test('is the second where it has none: the weights are on the disk', () => {
    expect(sleepLevel(1, 9.3, 11 * GIB)).toBe(2);
  });

  test('is the one that is wanted where nobody knows', () => {
    expect(sleepLevel(1, null, GIB)).toBe(1);
    expect(sleepLevel(1, 9.3, null)).toBe(1);
  });
});

describe('main memory that is left', () => {
  function kernel(files: Record<string, string>) {
    const root = scratchFolder();
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(root, name, '..'), { recursive: true });
      writeFileSync(join(root, name), text);
    }
    return { proc: join(root, 'proc'), cgroup: join(root, 'cgroup') };
  }
  const machine = { 'proc/meminfo': 'MemTotal:       24000000 kB\nMemAvailable:    8388608 kB\n' };

  test('is what the machine has', () => {
    expect(availableHostBytes(kernel(machine))).toBe(8 * GIB);
    expect(availableHostBytes(kernel({ ...machine, 'proc/self/cgroup': '0::/a/b\n', 'cgroup/a/b/memory.max': 'max\n' }))).toBe(8 * GIB);
  });

  test('is less where a control group above it has a limit', () => {
    const limited = {
      ...{ ...machine, 'proc/self/cgroup': '0::/a/b\n', 'cgroup/a/b/memory.max': 'max\n', 'cgroup/a/b/memory.current': '5\n' },
      ...{ 'cgroup/a/memory.max': `${4 * GIB}\n`, 'cgroup/a/memory.current': `${GIB}\n` },
    };
    expect(availableHostBytes(kernel(limited))).toBe(3 * GIB);
  });

  test('is not known where the kernel does not say', () => {
    expect(availableHostBytes(kernel({ 'proc/self/cgroup': '' }))).toBeNull();
  });
});

describe('how a model takes turns', () => {
  const gpu = profiles.gpus.get('l4')!;
  const model = profiles.models.get('mistral-7b-instruct')!;

  test('is cold where nobody says', () => {
    expect(swapRules(null, model, gpu)).toEqual({ sleep: null, dwellMs: undefined, idleUnloadMs: undefined, hindrance: null });
  });

  test('is what the settings say, else the model, else the card', () => {
    const sleeping = { ...gpu, swap: { strategy: 'sleep' as const, sleep_level: 2 as const, dwell_ms: 9, max_asleep: 3 } };
    expect(swapRules(NOTHING, model, sleeping)).toEqual({ sleep: 2, dwellMs: 9, idleUnloadMs: undefined, hindrance: null });
    const own = { ...model, swap: { sleep_level: 1 as const, idle_unload_ms: null } };
    expect(swapRules(NOTHING, own, sleeping)).toEqual({ sleep: 1, dwellMs: 9, idleUnloadMs: null, hindrance: null });
    expect(swapRules({ ...NOTHING, idle_unload_ms: 60_000 }, own, sleeping)).toMatchObject({ sleep: 1, idleUnloadMs: 60_000 });
    expect(swapRules({ ...NOTHING, strategy: 'cold' }, own, sleeping)).toMatchObject({ sleep: null });
    expect(swapRules({ ...NOTHING, strategy: 'sleep' }, null, gpu)).toMatchObject({ sleep: 1, dwellMs: 5000 });
  });

  test('is cold where the engine cannot sleep, with the reason', () => {
    const rules = swapRules({ ...NOTHING, strategy: 'sleep' }, null, gpu);
    const fine = { knownFlags: new Set(['--enable-sleep-mode']), env: {}, alone: true };
    expect(feasible(rules, fine)).toBe(rules);
    const segments = { PYTORCH_CUDA_ALLOC_CONF: 'expandable_segments:True' };
    const cases = [
      [{ ...fine, knownFlags: new Set<string>() }, 'no --enable-sleep-mode'],
      [{ ...fine, env: segments }, 'expandable_segments'],
      [{ ...fine, alone: false }, 'shares the GPU'],
    ] as const;
    for (const [conditions, words] of cases)
      expect(feasible(rules, conditions)).toMatchObject({ sleep: null, hindrance: expect.stringContaining(words) });
    expect(feasible(swapRules(null, null, gpu), { ...fine, alone: false })).toMatchObject({ hindrance: null });
  });

  test('leaves room for those that sleep beside it, but for no more than may', () => {
    expect(reservedGib(0, 1)).toBe(0);
    expect(reservedGib(5, 2)).toBe(2 * reservedGib(1, 1));
    expect(mostUtilization({ memoryGib: 15.55 })).toBe(1);
    expect(mostUtilization({ memoryGib: null, reservedGib: 1.5 })).toBe(1);
    expect(mostUtilization({ memoryGib: 15.55, reservedGib: 1.5 })).toBe(0.88);
    expect(mostUtilization({ memoryGib: 79.2, reservedGib: 3 })).toBe(0.95);
  });
});

describe('a model in the name of a file', () => {
  test('is its id, without what no file can be called', () => {
    expect(fileNameOf('mistral-7b-instruct')).toBe('mistral-7b-instruct');
    expect(fileNameOf('org/model')).toBe('org%2Fmodel');
  });

  test('is short, and another for another model, however long they are', () => {
    const [one, other] = [`${'m/'.repeat(127)}a`, `${'m/'.repeat(127)}b`];
    expect(fileNameOf(one).length).toBeLessThan(130);
    expect(fileNameOf(one)).not.toBe(fileNameOf(other));
  });
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SharedCard } from '../../../../supervisor/sim/card/card.ts';
import { startTime } from '../../../../supervisor/sim/card/process-identity.ts';
import { newVram, usedMib, visibleTo, VramFile } from '../../../../supervisor/sim/card/vram-file.ts';
import type { VramHolder } from '../../../../supervisor/sim/card/vram-file.ts';

let folder = '';
let path = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vram-'));
  path = join(folder, 'vram.json');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function holder(pid: number | null, mib: number, more: Partial<VramHolder> = {}): VramHolder {
  const starttime = pid === null ? null : startTime(pid);
  return { pid, starttime, title: 'somebody', mib, release_ms: 0, ended_at_ms: null, ...more };
}

/** A pid that belonged to a process that has ended. */
async function endedPid(): Promise<number> {
  const child = spawn('true');
  await once(child, 'exit');
  return child.pid!;
}

describe('the file of pretend GPU memory', () => {
  test('is made with the wanted cards by who looks first', async () => {
    const { gpus } = await new VramFile(path, ['t4', 'rtx-4080']).read();
    expect(gpus.map(({ index, name, memory_total_mib }) => [index, name, memory_total_mib])).toEqual([
      [0, 'Tesla T4', 15360],
      [1, 'NVIDIA GeForce RTX 4080', 16376],
    ]);
    expect(new Set(gpus.map(({ uuid }) => uuid)).size).toBe(2);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ gpus });
  });

  test('loses no change when many change it at once', async () => {
    const files = Array.from({ length: 4 }, () => new VramFile(path, ['t4']));
    await Promise.all(
      Array.from({ length: 40 }, (_, at) =>
        files[at % files.length]!.update((vram) => {
          vram.gpus[0]!.holders.push(holder(null, 1));
        }),
      ),
    );
    expect(usedMib((await files[0]!.read()).gpus[0]!)).toBe(40);
  });

  test('can be changed although somebody died with the lock in hand', async () => {
    writeFileSync(`${path}.lock`, `${await endedPid()} 123 1`);
    await new VramFile(path, ['t4']).update((vram) => {
      vram.gpus[0]!.holders.push(holder(null, 7));
    });
    expect(usedMib(new VramFile(path, []).peek().gpus[0]!)).toBe(7);
  });

  test('gives back what belonged to a process that has ended, or whose pid another one has now', async () => {
    const file = new VramFile(path, ['t4']);
    const gone = await endedPid();
    await file.update((vram) => {
      vram.gpus[0]!.holders.push(
        holder(gone, 100),
        holder(process.pid, 200, { starttime: 1 }),
        holder(process.pid, 400),
        holder(null, 800),
      );
    });
    expect(usedMib((await file.read()).gpus[0]!)).toBe(1200);
  });

  test('keeps it as long as the driver takes, from the moment the end is found out', async () => {
    const file = new VramFile(path, ['t4']);
    const gone = await endedPid();
    await file.update((vram) => {
      vram.gpus[0]!.holders.push(holder(gone, 100, { release_ms: 60_000 }));
    });
    const [kept] = (await file.read()).gpus[0]!.holders;
    expect(kept).toMatchObject({ mib: 100 });
    expect(kept!.ended_at_ms).not.toBeNull();
    await file.update((vram) => {
      vram.gpus[0]!.holders[0]!.ended_at_ms! -= 60_000;
    });
    expect((await file.read()).gpus[0]!.holders).toEqual([]);
  });

  test('may be written by hand with little in it', async () => {
    writeFileSync(path, JSON.stringify({ gpus: [{ name: 'NVIDIA Unheard-of 12', memory_total_mib: 12288 }] }));
    expect((await new VramFile(path, []).read()).gpus[0]).toMatchObject({ index: 0, compute_cap: 8.6, holders: [] });
    writeFileSync(path, '{"gpus": 3}');
    await expect(new VramFile(path, []).read()).rejects.toThrow(/vram\.json: it must have a list "gpus"/);
    writeFileSync(path, '{');
    await expect(new VramFile(path, []).read()).rejects.toThrow(/vram\.json: /);
  });
});

describe('CUDA_VISIBLE_DEVICES', () => {
  const vram = newVram(['t4', 'l4', 'rtx-4080']);
  const [first, second, third] = vram.gpus.map(({ uuid }) => uuid);

  test.each([
    [undefined, [first, second, third]],
    ['', []],
    ['1', [second]],
    ['2,0', [third, first]],
    [second!, [second]],
    [third!.slice(0, 12), [third]],
    ['0,9,1', [first]],
    ['0,0', [first]],
  ])('%s leaves its cards in its order', (devices, expected) => {
    expect(visibleTo(vram, devices).map(({ uuid }) => uuid)).toEqual(expected);
  });
});

describe('a shared card', () => {
  test('gives no more than there is, and what was held stays held', async () => {
    const file = new VramFile(path, ['t4']);
    const { uuid } = (await file.read()).gpus[0]!;
    const cardOf = (title: string, starttime: number | null): SharedCard =>
      new SharedCard(file, [uuid], { pid: process.pid, starttime, title }, 0);
    const one = cardOf('one', startTime(process.pid));
    const other = cardOf('other', null);
    expect(await one.hold(10)).toMatchObject({ granted: true, ownGib: 10, freeGib: expect.closeTo(4.56) });
    expect(await other.hold(5)).toMatchObject({ granted: false, ownGib: 0, others: [{ pid: process.pid, gib: 10 }] });
    expect(await other.hold(4)).toMatchObject({ granted: true });
    expect(await one.hold(11)).toMatchObject({ granted: false, ownGib: 10 });
    expect(await one.hold(2)).toMatchObject({ granted: true });
    expect(await other.hold(5)).toMatchObject({ granted: true, freeGib: expect.closeTo(7.56) });
  });
});

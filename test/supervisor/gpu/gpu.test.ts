import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../gateway/core/clock.ts';
import { NvidiaSmi } from '../../../supervisor/gpu/gpu.ts';
import { readProcess } from '../../../supervisor/system/processes.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { pretendCard, pretendSmi, smiThat } from '../support/pretend-smi.ts';
import { scratchFolder } from '../support/scratch.ts';

const MIB = 2 ** 20;
const T4 = pretendCard('Tesla T4', 15360, '7.5', { uuid: 'GPU-aaa', 'memory.used': '460', 'utilization.gpu': '17' });
const RTX = pretendCard('NVIDIA GeForce RTX 4080', 16376, '8.9', { uuid: 'GPU-bbb', display_active: 'Enabled' });

function smi(folder: string, clock = createFakeClock()): NvidiaSmi {
  return new NvidiaSmi(clock, { PATH: `${folder}:/usr/bin:/bin` }, []);
}

function calls(folder: string): string[] {
  return readFileSync(join(folder, 'calls'), 'utf8').trim().split('\n');
}

describe('NvidiaSmi', () => {
  test('reads every card, and matches what it asks separately by id', async () => {
    const [t4, rtx] = await smi(pretendSmi({ cards: [T4, RTX] })).read();
    expect(t4).toEqual({
      index: 0,
      uuid: 'GPU-aaa',
      name: 'Tesla T4',
      memoryTotalBytes: 15360 * MIB,
      memoryFreeBytes: 14910 * MIB,
      memoryUsedBytes: 460 * MIB,
      memoryReservedBytes: 446 * MIB,
      utilization: 0.17,
      temperatureCelsius: 41,
      powerWatts: 17.31,
      computeCap: 7.5,
      driverVersion: '580.95.05',
      display: false,
      parentUuid: null,
      fault: null,
    });
    expect(rtx).toMatchObject({ index: 1, uuid: 'GPU-bbb', computeCap: 8.9, display: true });
  });

  test.each(['[N/A]', 'N/A', '[Not Supported]', '[Insufficient Permissions]', 'ERR!', '[Unknown Error]', ''])(
    'takes a value of "%s" for unknown, never for zero, and keeps the rest',
    async (cell) => {
      const card = { ...RTX, 'utilization.gpu': cell, 'power.draw': cell, compute_cap: cell };
      expect(await smi(pretendSmi({ cards: [card] })).read()).toMatchObject([
        { utilization: null, powerWatts: null, computeCap: null, temperatureCelsius: 41, memoryTotalBytes: 16376 * MIB, fault: null },
      ]);
    },
  );

  test('does without fields that an old driver does not know, and without asking for them every time', async () => {
    const { compute_cap: _, 'mig.mode.current': __, 'power.draw': ___, ...old } = T4;
    const folder = pretendSmi({ cards: [old] });
    const clock = createFakeClock();
    const program = smi(folder, clock);
    expect(await program.read()).toMatchObject([{ computeCap: null, powerWatts: null, utilization: 0.17, memoryUsedBytes: 460 * MIB }]);
    const first = calls(folder).length;
    await clock.advance(1000);
    expect(await program.read()).toMatchObject([{ powerWatts: null, utilization: 0.17, memoryReservedBytes: 446 * MIB }]);
    expect(calls(folder).slice(first)).toHaveLength(1);
  });

  test('understands units that are left in although none were asked for', async () => {
    const card = { ...T4, 'memory.total': '15360 MiB', 'memory.free': '14900 MiB', 'utilization.gpu': '17 %', 'power.draw': '30.50 W' };
    expect(await smi(pretendSmi({ cards: [card] })).read()).toMatchObject([
      { memoryTotalBytes: 15360 * MIB, memoryFreeBytes: 14900 * MIB, utilization: 0.17, powerWatts: 30.5 },
    ]);
  });

  test('a card that has to be reset is there but cannot be used', async () => {
    const reset = '[GPU requires reset]';
    const broken = { ...T4, 'memory.free': reset, 'memory.used': reset, 'utilization.gpu': reset };
    expect(await smi(pretendSmi({ cards: [broken, RTX] })).read()).toMatchObject([
      { uuid: 'GPU-aaa', memoryFreeBytes: null, fault: expect.stringContaining('GPU requires reset') },
      { uuid: 'GPU-bbb', fault: null },
    ]);
  });

  test('a card without memory of its own has that of the machine', async () => {
    const shared = pretendCard('NVIDIA GB10', 0, '12.1', { 'memory.total': '[N/A]', 'memory.free': '[N/A]', 'memory.used': '[N/A]' });
    expect(await smi(pretendSmi({ cards: [shared] })).read()).toMatchObject([{ memoryTotalBytes: totalmem(), fault: null }]);
  });

  test('asks once for all who want to know within a second, however long the answer takes', async () => {
    const folder = pretendSmi({ cards: [T4] });
    const clock = createFakeClock();
    const program = smi(folder, clock);
    const [one, two] = await Promise.all([program.survey(), program.survey()]);
    expect(two).toBe(one);
    await clock.advance(999);
    expect(await program.survey()).toBe(one);
    await clock.advance(1);
    expect(await program.survey()).not.toBe(one);
  });

  test('says who holds the memory, as far as the driver knows', async () => {
    const apps = '4121, GPU-aaa, 11469, VLLM::EngineCore\n77, GPU-aaa, [N/A], C:\\a, b.exe\nnonsense\n';
    expect(await smi(pretendSmi({ cards: [T4], apps })).apps()).toEqual([
      { pid: 4121, gpuUuid: 'GPU-aaa', name: 'VLLM::EngineCore', memoryBytes: 11469 * MIB },
      { pid: 77, gpuUuid: 'GPU-aaa', name: 'C:\\a, b.exe', memoryBytes: null },
    ]);
  });
});

describe('with MIG', () => {
  const A100 = pretendCard('NVIDIA A100-SXM4-80GB', 81920, '8.0', { uuid: 'GPU-a100', 'mig.mode.current': 'Enabled' });
  const LIST = `GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-a100)
  MIG 3g.40gb     Device  0: (UUID: MIG-1111)
  MIG 1c.2g.20gb  Device  1: (UUID: MIG-2222)
GPU 1: Tesla T4 (UUID: GPU-aaa)
`;

  test('the instances stand in the place of their card, with the memory their names promise', async () => {
    const gpus = await smi(pretendSmi({ cards: [A100, T4], list: LIST })).read();
    expect(gpus.map(({ uuid, name, parentUuid }) => [uuid, name, parentUuid])).toEqual([
      ['MIG-1111', 'NVIDIA A100-SXM4-80GB MIG 3g.40gb', 'GPU-a100'],
      ['MIG-2222', 'NVIDIA A100-SXM4-80GB MIG 1c.2g.20gb', 'GPU-a100'],
      ['GPU-aaa', 'Tesla T4', null],
    ]);
    expect(gpus[0]).toMatchObject({ memoryTotalBytes: 38 * 2 ** 30, memoryFreeBytes: null, utilization: null, computeCap: 8 });
  });

  test('the instances are seen even where a container hides the memory of the card', async () => {
    const hidden = { ...A100, 'memory.total': '[Insufficient Permissions]', 'memory.free': '[Insufficient Permissions]' };
    expect(await smi(pretendSmi({ cards: [hidden], list: LIST })).read()).toMatchObject([{ uuid: 'MIG-1111', fault: null }, {}]);
  });

  test('a card that is not divided yet says so', async () => {
    const gpus = await smi(pretendSmi({ cards: [A100], list: 'GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-a100)\n' })).read();
    expect(gpus).toMatchObject([{ uuid: 'GPU-a100', fault: expect.stringContaining('no instance') }]);
  });
});

describe('without an answer', () => {
  test.each([
    ['fails', 'echo "Failed to initialize NVML: Driver/library version mismatch"; exit 18', 'failed', /version mismatch/],
    ['has no card', 'echo "No devices were found"; exit 6', 'failed', /No devices/],
  ])('there is no card where the program %s, and the reason is its own', async (_, script, kind, reason) => {
    const program = smi(smiThat(script));
    const survey = await program.survey();
    expect(survey).toEqual({ gpus: [], problem: { kind, reason: expect.stringMatching(reason) } });
    // That there is no card is in order.
    expect(program.problem()).toBe(/No devices/.test(reason.source) ? null : survey.problem!.reason);
  });

  test.each([
    ['says nothing', 'exit 0'],
    ['talks nonsense', 'echo "hello"'],
  ])('there is no card where the program %s', async (_, script) => {
    expect(await smi(smiThat(script)).survey()).toEqual({ gpus: [], problem: null });
  });

  test('there is no card where the program is missing', async () => {
    const program = smi(scratchFolder());
    expect(await program.survey()).toMatchObject({ gpus: [], problem: { kind: 'missing' } });
    expect(program.problem()).toBeNull();
  });

  test('it is found where WSL keeps it, off the PATH', async () => {
    const wsl = pretendSmi({ cards: [T4] });
    expect(await new NvidiaSmi(systemClock, { PATH: '/usr/bin:/bin' }, [wsl]).read()).toMatchObject([{ name: 'Tesla T4' }]);
  });

  test('what was seen a moment ago is good enough, unless it has to be newer', async () => {
    const folder = pretendSmi({ cards: [T4] });
    const clock = createFakeClock();
    const program = smi(folder, clock);
    await program.read();
    const asked = () => calls(folder).length;
    const first = asked();
    await Promise.all([program.read(), program.read(clock.now())]);
    expect(asked()).toBe(first);
    await clock.advance(10);
    const newer = clock.now();
    // Together they ask once.
    await Promise.all([program.read(newer), program.read(newer), program.read()]);
    expect(asked()).toBe(first + 1);
    await program.read(newer);
    expect(asked()).toBe(first + 1);
  });

  test('an answer that is under way when something newer is wanted is not taken for it', async () => {
    const folder = pretendSmi({ cards: [T4] });
    const clock = createFakeClock();
    const program = smi(folder, clock);
    await program.read();
    const first = calls(folder).length;
    await clock.advance(2000);
    const early = program.read();
    await clock.advance(10);
    await Promise.all([early, program.read(clock.now())]);
    expect(calls(folder).length).toBe(first + 2);
  });

  test('one that hangs is ended after five seconds, with all it has started', async () => {
    const folder = smiThat('sleep 600 & echo $! > "$here/child"; echo $$ > "$here/pid"; wait');
    const clock = createFakeClock();
    const program = smi(folder, clock);
    const survey = program.survey();
    const pids = await until(() => ['pid', 'child'].map((file) => Number(readFileSync(join(folder, file), 'utf8'))));
    await clock.advance(5000);
    expect(await survey).toMatchObject({ gpus: [], problem: { kind: 'hung' } });
    await until(() => pids.forEach((pid) => expect(readProcess(pid)).toBeNull()));
  });
});

/** The result of `attempt` as soon as it has one. */
async function until<T>(attempt: () => T): Promise<T> {
  for (;;) {
    try {
      return attempt();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

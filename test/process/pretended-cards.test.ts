import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { VramFile } from '../../supervisor/sim/card/vram-file.ts';
import { gpuHouse } from '../support/gpu-house.ts';
import { freePort } from '../support/ports.ts';
import { run } from '../support/process.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));
/** A machine with neither nvidia-smi nor vLLM. */
const BARE = { PATH: '/nowhere' };

async function settings(): Promise<Record<string, string>> {
  const port = await freePort(11);
  return { HEADGATE_SUPERVISOR__PORT_RANGE: `[${port}, ${port + 9}]`, SIM_SPEED: '0.01' };
}

test('SIM_GPU makes pretended cards of its names: detected, matched with a profile, filled with memory, and marked wherever they are told of', async () => {
  const cwd = scratchFolder();
  const env = { ...BARE, ...(await settings()), SIM_GPU: 't4,rtx-3060' };
  await using headgate = run(process.execPath, [CLI, '--port', String(await freePort())], { cwd, env });
  const [line, url] = await headgate.prints(/Headgate is ready on (http:\S+).*/);
  expect(line).toContain('model mistral-7b-instruct · engine simulated (no real model)');
  expect(line).toContain('GPU Tesla T4 and NVIDIA GeForce RTX 3060 (simulated)');
  expect(line).toContain('profile t4');
  const file = join(cwd, '.headgate', 'simulated-t4-rtx-3060.json');
  expect(new VramFile(file, []).peek().gpus.map(({ holders }) => holders.length)).toEqual([1, 0]);
  const port = new URL(url!).port;
  await using status = run(process.execPath, [CLI, 'status', '--port', port], { cwd, env });
  expect(await status.exited).toBe(0);
  expect(status.output()).toMatch(/GPU 0 Tesla T4 \(simulated\): \d+\.\d of 15\.0 GiB used/);
  expect(status.output()).toMatch(/GPU 1 NVIDIA GeForce RTX 3060 \(simulated\): \d+\.\d of 12\.0 GiB used/);
  await using doctor = run(process.execPath, [CLI, 'doctor'], { cwd, env });
  expect(await doctor.exited).toBe(0);
  const free = [...doctor.output().matchAll(/\d: \S.* \(simulated\), .*CUDA, ([\d.]+) GiB free\)/g)].map(([, gib]) => Number(gib));
  expect(free).toEqual([expect.closeTo(1, 0), expect.closeTo(11.6, 0)]);
});

test('a state folder that is none is told of at the start and by check, and nothing is started', async () => {
  const cwd = scratchFolder();
  const env = { ...BARE, ...(await settings()), HEADGATE_SUPERVISOR__STATE_DIR: '/dev/null/state' };
  await using checked = run(process.execPath, [CLI, 'check'], { cwd, env });
  expect(await checked.exited).toBe(0);
  expect(checked.output()).toMatch(/warning: .*STATE_DIR: \/dev\/null is not a folder/);
  await using supervisor = run(process.execPath, [CLI, 'supervise'], { cwd, env });
  expect(await supervisor.exited).toBe(1);
  expect(supervisor.output()).toContain('the folder of supervisor.state_dir cannot be used: /dev/null is not a folder');
});

test('a name that stands for no card is an error with the names that do', async () => {
  await using headgate = run(process.execPath, [CLI, '--port', '0'], { cwd: scratchFolder(), env: { ...BARE, SIM_GPU: 't5' } });
  expect(await headgate.exited).toBe(64);
  expect(headgate.output()).toMatch(/SIM_GPU: there is no card t5 to pretend; there are .*t4, .*l4/);
});

test('a GPU without a vLLM is an error with what to install, before any port is bound, and --engine sim is the way to made-up answers', async () => {
  const folder = scratchFolder();
  const house = gpuHouse(folder, ['t4']);
  rmSync(join(folder, 'bin', 'vllm'));
  const env = { PATH: `${join(folder, 'bin')}:/usr/bin:/bin`, ...(await settings()) };
  await using refused = run(process.execPath, [CLI, '--port', '0'], { cwd: folder, env });
  expect(await refused.exited).toBe(64);
  expect(refused.output()).toMatch(/^headgate: There is a GPU \(Tesla T4\) and no program vllm .*pip install vllm.*--engine sim/);
  expect(refused.output()).not.toContain('listening');
  await using checked = run(process.execPath, [CLI, 'check'], { cwd: folder, env });
  expect(await checked.exited).toBe(0);
  expect(checked.output()).toMatch(/warning: .*supervisor\.engine: There is a GPU \(Tesla T4\) and no program vllm/);
  await using alone = run(process.execPath, [CLI, 'supervise'], { cwd: folder, env });
  expect(await alone.exited).toBe(64);
  expect(alone.output()).toContain('pip install vllm');
  await using simulated = run(process.execPath, [CLI, '--port', String(await freePort()), '--engine', 'sim'], { cwd: folder, env });
  await simulated.prints(/Headgate is ready on .*engine simulated/);
  expect(house.launches()).toEqual([]);
});

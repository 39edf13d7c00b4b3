import { describe, expect, test } from 'vitest';
import type { Ending } from '../../../supervisor/failure/ending.ts';
import { explain, withCause } from '../../../supervisor/failure/explain.ts';
import { spawnFailed, stalled, unresponsive } from '../../../supervisor/failure/failure.ts';
import { LineSplitter, LogTail } from '../../../supervisor/failure/log-tail.ts';

const ENGINE = '(EngineCore pid=9) ERROR 08-17 10:00:00 [core.py:1]';
const API = '(APIServer pid=1)';

function told(log: readonly string[], more: Partial<Ending> = {}) {
  return explain({
    exit: { code: 1, signal: null },
    phase: 'load',
    lines: new LineSplitter().push(`${log.join('\n')}\n`),
    livedMs: 30_000,
    hostOomKills: null,
    ended: false,
    first: null,
    ...more,
  });
}

describe('the cause', () => {
  test('is the earliest error of the engine, not the server’s report that it is gone', () => {
    const failure = told([
      `${API} RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}`,
      `${ENGINE} RuntimeError: CUDA error: an illegal memory access was encountered`,
      `${ENGINE} torch.OutOfMemoryError: CUDA out of memory.`,
    ]);
    expect(failure.class).toBe('crash');
    expect(failure.message).toContain('illegal memory access');
  });

  test('of a generic report is quoted from the engine’s own words', () => {
    const failure = told([`${API} RuntimeError: Engine core initialization failed.`, `${ENGINE} ValueError: something nobody has seen`]);
    expect(failure.class).toBe('engine-start');
    expect(failure.message).toContain('something nobody has seen');
  });

  test('is what a worker process said before the engine core did', () => {
    const failure = told([
      '(Worker_TP1 pid=12) ERROR torch.OutOfMemoryError: CUDA out of memory.',
      `${ENGINE} RuntimeError: Executor failed.`,
      `${API} EngineDeadError: EngineCore encountered an issue.`,
    ]);
    expect(failure.class).toBe('oom-weights');
  });

  test('of an unknown end is the first error that anybody named', () => {
    expect(told([`${API} ValueError: gone`, `${ENGINE} KeyError: 'lm_head'`]).message).toContain('lm_head');
    expect(told([]).message).toContain('ended by itself');
  });

  test('of a serving worker’s death is not what its start or an old request has logged', () => {
    const since = Array.from({ length: 500 }, (_, i) => `INFO request ${i}`);
    expect(told([`${ENGINE} torch.OutOfMemoryError: CUDA out of memory.`, ...since], { phase: 'serving' }).class).toBe('unknown');
  });

  test('of a serving worker’s death is found behind any number of requests that came after it', () => {
    const tail = new LogTail();
    tail.push(`${ENGINE} EngineCore encountered a fatal error.\n${ENGINE} torch.OutOfMemoryError: CUDA out of memory.\n`);
    for (let i = 0; i < 5000; i += 1)
      tail.push(`INFO:     127.0.0.1:40${i} - "POST /v1/chat/completions HTTP/1.1" 500 Internal Server Error\n`);
    const lines = tail.story();
    expect(
      explain({ exit: { code: 0, signal: null }, phase: 'serving', lines, livedMs: 1, hostOomKills: null, ended: false, first: null })
        .class,
    ).toBe('oom-runtime');
  });

  test('of two failures that differ only in figures is the same', () => {
    const at = (gib: string) => told([`torch.OutOfMemoryError: CUDA out of memory. Tried to allocate ${gib} GiB.`]);
    expect(at('2.00').signature).toBe(at('1.75').signature);
    expect(at('2.00').signature).not.toBe(told(['ValueError: else']).signature);
    const died = (words: string) => told([`${ENGINE} RuntimeError: ${words}`], { phase: 'launch' }).signature;
    expect(died('no answer from 10.0.0.7:4711 (pid 12)')).toBe(died('no answer from host-b at 0x7f00aa10'));
    expect(died('x')).not.toBe(told([`${ENGINE} KeyError: x`], { phase: 'launch' }).signature);
  });
});

describe('the way of ending', () => {
  test.each([
    ['2', { code: 2, signal: null }, 'config', 'never'],
    ['137', { code: 137, signal: null }, 'killed', 'backoff'],
    ['SIGKILL', { code: null, signal: 'SIGKILL' }, 'killed', 'backoff'],
    ['SIGTERM', { code: null, signal: 'SIGTERM' }, 'stopped', 'backoff'],
    ['143', { code: 143, signal: null }, 'stopped', 'backoff'],
    ['SIGSEGV', { code: null, signal: 'SIGSEGV' }, 'crash', 'backoff'],
    ['SIGABRT', { code: null, signal: 'SIGABRT' }, 'crash', 'backoff'],
  ])('%s tells by itself when the log is silent', (_, exit, name, retry) => {
    expect(told(['INFO x'], { exit })).toMatchObject({ class: name, retry });
  });

  test('says nothing against a log that does', () => {
    const failure = told([`${ENGINE} torch.OutOfMemoryError: CUDA out of memory.`], { exit: { code: null, signal: 'SIGKILL' } });
    expect(failure.class).toBe('oom-weights');
  });

  test('says nothing at all when the end was our own doing', () => {
    expect(told(['INFO x'], { exit: { code: null, signal: 'SIGKILL' }, ended: true })).toMatchObject({ class: 'unknown' });
  });

  test('with the kernel’s count grown is want of main memory, whatever the code', () => {
    const failure = told([`${API} EngineDeadError: gone`], { phase: 'serving', exit: { code: 0, signal: null }, hostOomKills: 1 });
    expect(failure).toMatchObject({ class: 'oom-host', evidence: { hostOomKills: 1 } });
    expect(failure.message).toContain('the kernel killed the engine');
  });

  test('by SIGKILL with the kernel’s count unchanged was somebody else’s doing', () => {
    expect(told([], { exit: { code: null, signal: 'SIGKILL' }, hostOomKills: 0 })).toMatchObject({ class: 'killed', retry: 'backoff' });
  });

  test('is left out where nobody knows it', () => {
    expect(told(['x'], { exit: { code: null, signal: null }, phase: 'serving' }).message).toContain('(It ended while serving.)');
  });
});

describe('a failure that was noticed from outside', () => {
  test('gives way to a cause that the log names', () => {
    const cause = told([`${ENGINE} torch.OutOfMemoryError: CUDA out of memory.`], { ended: true });
    expect(withCause(unresponsive('/health answered 503'), cause)).toBe(cause);
    expect(withCause(stalled(180_000, 3, true), cause)).toBe(cause);
  });

  test('is an engine’s death where the log says that much', () => {
    const cause = told([`${API} EngineDeadError: EngineCore encountered an issue.`], { phase: 'serving', ended: true });
    expect(withCause(unresponsive('/health answered 503'), cause).class).toBe('engine-death');
    expect(withCause(stalled(180_000, 3, true), cause).class).toBe('stalled');
  });

  test('only quotes the log when that knows no better', () => {
    const cause = told([`${ENGINE} ValueError: strange`], { ended: true });
    expect(withCause(unresponsive('/health answered 503'), cause)).toMatchObject({
      class: 'unresponsive',
      lastWords: 'ValueError: strange',
    });
    const leave = told(['KeyboardInterrupt: terminated'], { ended: true });
    expect(withCause(unresponsive('x'), leave).lastWords).toBe('');
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

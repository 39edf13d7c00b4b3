import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { LineSplitter, LogTail } from '../../../supervisor/failure/log-tail.ts';

describe('LineSplitter', () => {
  test('joins what was cut anywhere and keeps an unfinished line for later', () => {
    const splitter = new LineSplitter();
    expect(splitter.push('INFO on')).toEqual([]);
    expect(splitter.push('e\nINFO two\nrest')).toEqual([
      { text: 'INFO one', process: null },
      { text: 'INFO two', process: null },
    ]);
    expect(splitter.flush()).toEqual([{ text: 'rest', process: null }]);
    expect(splitter.flush()).toEqual([]);
  });

  test('takes a rewritten progress bar for a line each time', () => {
    const lines = new LineSplitter().push('\rLoading: 0%\rLoading: 50%\rLoading: 100%\r\n');
    expect(lines.map(({ text }) => text)).toEqual(['Loading: 0%', 'Loading: 50%', 'Loading: 100%']);
  });

  test('recognizes which of the processes spoke', () => {
    const lines = new LineSplitter().push('(EngineCore pid=42) ERROR x\n(Worker_TP0 pid=7) y\n(not a process) z\n');
    expect(lines).toEqual([
      { text: 'ERROR x', process: 'EngineCore' },
      { text: 'y', process: 'Worker_TP0' },
      { text: '(not a process) z', process: null },
    ]);
  });

  test('takes colors off, also before the process prefix', () => {
    const lines = new LineSplitter().push('\u001b[0;36m(APIServer pid=1)\u001b[0;0m \u001b[32mINFO\u001b[0m ok \u001b]0;title\u0007now\n');
    expect(lines).toEqual([{ text: 'INFO ok now', process: 'APIServer' }]);
  });

  test('holds a bounded amount of a line that never ends', () => {
    const splitter = new LineSplitter();
    for (let i = 0; i < 1000; i += 1) splitter.push('x'.repeat(10_000));
    expect(splitter.flush()[0]!.text.length).toBeLessThanOrEqual(4000);
  });
});

describe('LogTail', () => {
  test('recognizes the stages of a start from vLLM’s lines', () => {
    const tail = new LogTail();
    const stage = (line: string) => tail.push(`(EngineCore pid=9) INFO 08-17 10:00:00 [gpu_model_runner.py:1] ${line}\n`)?.stage;
    expect(stage('Starting to load model Qwen/Qwen2.5-1.5B-Instruct-AWQ...')).toBeNull();
    expect(stage('Loading weights took 12.3 seconds')).toBeNull();
    expect(stage('Model loading took 4.1 GiB memory and 15.2 seconds')).toBe('model_loaded');
    expect(stage('Available KV cache memory: 6.87 GiB')).toBeNull();
    expect(stage('Graph capturing finished in 5 secs, took 0.36 GiB')).toBe('cuda_graphs');
    expect(tail.push('INFO:     Application startup complete.\n')).toMatchObject({ stage: null, serving: true });
  });

  test('knows in which phase the engine is, also behind a flood of other lines', () => {
    const tail = new LogTail();
    const phase = (text: string) => {
      tail.push(`${text}\n`);
      return tail.phase;
    };
    expect(phase('INFO Resolved architecture: LlamaForCausalLM')).toBe('launch');
    expect(phase('INFO Starting to load model x...')).toBe('load');
    expect(phase('INFO Model loading took 4.1 GiB memory and 15.2 seconds')).toBe('profile');
    expect(phase('Profiling CUDA graph memory: 10%')).toBe('graphs');
    expect(phase('INFO GPU KV cache size: 176,240 tokens')).toBe('kv');
    expect(phase('Capturing CUDA graphs (decode, FULL): 10%| 1/9')).toBe('graphs');
    for (let i = 0; i < 10_000; i += 1) tail.push(`INFO line ${i}\n`);
    expect(tail.phase).toBe('graphs');
    expect(phase('INFO Graph capturing finished in 5 secs, took 0.36 GiB')).toBe('warmup');
    expect(tail.measured).toEqual({ weightsGib: 4.1, graphsGib: 0.36 });
  });

  test('tells how much of the weights is read, and that the engine says it dies', () => {
    const tail = new LogTail();
    expect(tail.push('\rLoading safetensors checkpoint shards:  50% Completed | 1/2')).toBeNull();
    expect(tail.push('\r')).toMatchObject({ loaded: 0.5, dying: false });
    expect(tail.push('ERROR EngineCore encountered a fatal error.\n')).toMatchObject({ dying: true });
  });

  test('hears of a death in words that were cut anywhere, also while it serves, and of nothing else then', () => {
    const words = '(EngineCore pid=9) ERROR EngineCore encountered a fatal error.\n';
    for (let cut = 0; cut < words.length; cut += 1) {
      const tail = new LogTail({ served: true });
      const told = [tail.push(words.slice(0, cut)), tail.push(words.slice(cut))];
      expect(told.some((progress) => progress?.dying)).toBe(true);
    }
    expect(new LogTail({ served: true }).push('INFO Model loading took 4.1 GiB memory\n')).toBeNull();
  });

  test.each([
    'Loading safetensors checkpoint shards',
    'Loading pt checkpoint shards',
    'Loading np_cache checkpoint shards',
    'Multi-thread loading shards',
    'Multi-thread loading pt checkpoint shards',
    'Loading safetensors using Runai Model Streamer',
    'Loading safetensors using InstantTensor loader',
  ])('tells how much of the weights is read, whatever loads them: %s', (words) => {
    const tail = new LogTail();
    expect(tail.push(`${words}:  50% Completed | 1/2 [00:00<00:00,  2.1it/s]\n`)).toMatchObject({ loaded: 0.5 });
    expect(tail.phase).toBe('load');
  });

  test('knows the phases and the measure of an engine on a CPU', () => {
    const tail = new LogTail();
    tail.push(readFileSync(new URL('vllm-logs/start-good.log', import.meta.url)));
    expect(tail.phase).toBe('warmup');
    expect(tail.measured).toEqual({ kvCacheGib: 1 });
    const cut = new LogTail();
    cut.push('(EngineCore pid=1) INFO 11-28 16:42:34 [kv_cache_utils.py:2327] CPU KV cache size: 2,097,152 tokens, Maximum concurrency\n');
    expect(cut.phase).toBe('kv');
  });

  const TOLD = {
    server: '(APIServer pid=2591) INFO 11-28 16:51:20 [launcher.py:254] [shutdown] API server: shutdown triggered\n',
    core: '(EngineCore pid=3591) INFO 11-28 16:51:20 [core.py:1454] [shutdown] EngineCore: trigger received signal=SIGTERM\n',
    sent: '(APIServer pid=2591) INFO 11-28 16:51:20 [utils.py:628] [shutdown] Process manager: send sigterm to process EngineCore\n',
    dead: '(APIServer pid=1) WARNING 11-28 16:45:12 [core_client.py:817] [shutdown] MPClient: engine core exited unexpectedly; starting cleanup\n',
  };
  const hears = (parts: readonly string[], served = true) => {
    const tail = new LogTail({ served });
    return parts.map((part) => tail.push(part)).some((progress) => progress?.told);
  };

  test.each(['server', 'core'] as const)('hears that it was told to stop, in words that were cut anywhere (%s)', (who) => {
    const line = TOLD[who];
    for (let cut = 0; cut < line.length; cut += 1) expect(hears([line.slice(0, cut), line.slice(cut)])).toBe(true);
    expect(hears([line], false)).toBe(who === 'server');
  });

  test('does not take for that what a death, the server or a client says', () => {
    expect(hears([TOLD.dead, TOLD.server])).toBe(false);
    expect(hears([TOLD.sent, TOLD.core])).toBe(false);
    expect(hears([TOLD.sent + TOLD.core])).toBe(false);
    const prompt = `(APIServer pid=1) INFO 11-28 16:45:12 [logger.py:39] Received request x: prompt: '${TOLD.server.trimEnd()}'\n`;
    expect(hears([prompt])).toBe(false);
    expect(hears([`${TOLD.server.slice('(APIServer pid=2591) '.length)}`])).toBe(false);
  });

  test('keeps the story apart from what every request leaves', () => {
    const tail = new LogTail({ maxLines: 1 });
    tail.push('ERROR the cause\n');
    for (let i = 0; i < 1000; i += 1) tail.push(`INFO:     127.0.0.1:${i} - "POST /v1/completions HTTP/1.1" 200 OK\n`);
    expect(tail.story().map(({ text }) => text)).toEqual(['ERROR the cause']);
  });

  test('an eager engine captures no graphs and comes past them all the same', () => {
    const tail = new LogTail();
    expect(tail.push('init engine (profile, create kv cache, warmup model) took 33.1 s\n')?.stage).toBe('cuda_graphs');
  });

  test('the same line again is no news, whatever the clock says', () => {
    const tail = new LogTail();
    expect(
      tail.push('(EngineCore pid=9) INFO 08-17 10:00:00 [x.py:1] No available shared memory broadcast block found in 60 seconds.\n'),
    ).not.toBeNull();
    expect(
      tail.push('(EngineCore pid=9) INFO 08-17 10:01:00 [x.py:1] No available shared memory broadcast block found in 60 seconds.\n'),
    ).toBeNull();
  });

  test('a progress bar is news while it moves, and none while it only counts the time', () => {
    const tail = new LogTail();
    expect(tail.push('\rLoading shards:  50% Completed | 1/2 [00:10<00:10, 10.0s/it]')).toBeNull();
    expect(tail.push('\rLoading shards:  50% Completed | 1/2 [00:20<00:20, 20.0s/it]')).not.toBeNull();
    expect(tail.push('\rLoading shards: 100% Completed | 2/2 [00:30<00:00, 15.0s/it]')).toBeNull();
    expect(tail.push('\r')).not.toBeNull();
  });

  test('tells its story without secrets and without what a terminal would obey', () => {
    const tail = new LogTail();
    tail.push('(EngineCore pid=9) ERROR ValueError: \u001b]0;owned\u0007no access with hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345\u202e\n');
    tail.push('OSError: proxy http://bob:hunter2@proxy:3128 refused (api_key=hunter2)\n');
    expect(tail.story().map(({ text }) => text)).toEqual([
      'ERROR ValueError: no access with [redacted]',
      'OSError: proxy http://[redacted]@proxy:3128 refused (api_key=[redacted])',
    ]);
  });

  test('keeps the last lines and no more', () => {
    const tail = new LogTail({ maxLines: 10 });
    for (let i = 0; i < 1000; i += 1) tail.push(`line ${i}\n`);
    expect(tail.story().map(({ text }) => text)).toEqual(Array.from({ length: 10 }, (_, i) => `line ${990 + i}`));
  });
});

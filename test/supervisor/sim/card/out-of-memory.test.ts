import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { rawJson, rawRequest } from '../../../support/raw-http.ts';
import { usedMib, VramFile } from '../../../../supervisor/sim/card/vram-file.ts';
import { startSim } from '../../../support/sim.ts';
import { serveInside, startInside } from '../../../support/sim-inside.ts';
import type { StartInside } from '../../../support/sim-inside.ts';

const LLAMA = 'meta-llama/Llama-3.1-8B-Instruct-AWQ';
const TINY = 'Qwen/Qwen2.5-1.5B-Instruct-AWQ';

interface Case {
  readonly gpu: string;
  readonly model: string;
  readonly flags: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The last thing that goes well, and the first that is not reached. */
  readonly after: string;
  readonly before: string;
  readonly words: RegExp;
  /** Added to the flags: cures it. */
  readonly right: string;
  /** Added to the flags: does not. */
  readonly wrong: string;
}

const CASES: Readonly<Record<string, Case>> = {
  'the weights': {
    gpu: 'rtx-4080',
    model: 'google/gemma-3-12b-it',
    flags: '--max-model-len 4096',
    after: 'Starting to load model',
    before: 'Model loading took',
    words:
      /Failed to load model - not enough GPU memory\. .*\n.*EngineCore failed to start\.\n.*\n.*torch\.OutOfMemoryError: CUDA out of memory\. Tried to allocate/,
    right: '--quantization awq',
    wrong: '--gpu-memory-utilization 0.8 --max-num-seqs 4 --enforce-eager',
  },
  'the activations': {
    gpu: 'rtx-4080',
    model: 'mistralai/Mistral-7B-Instruct-v0.3',
    flags: '--max-model-len 4096 --max-num-batched-tokens 16384 --max-num-seqs 4 --gpu-memory-utilization 0.95',
    after: 'Model loading took',
    before: 'Available KV cache memory',
    words: /torch\.OutOfMemoryError: CUDA out of memory/,
    right: '--max-num-batched-tokens 512',
    wrong: '--max-model-len 512 --enforce-eager',
  },
  'the sampler': {
    gpu: 'gtx-1650',
    model: TINY,
    flags: '--max-model-len 2048 --max-num-seqs 1024 --gpu-memory-utilization 0.85',
    after: 'Model loading took',
    before: 'Available KV cache memory',
    words:
      /RuntimeError: CUDA out of memory occurred when warming up sampler with 1024 dummy requests\. Please try lowering `max_num_seqs`/,
    right: '--max-num-seqs 64',
    wrong: '--max-model-len 512 --enforce-eager --gpu-memory-utilization 0.8',
  },
  'any KV cache': {
    gpu: 'gtx-1650',
    model: TINY,
    flags: '--max-model-len 2048 --max-num-seqs 192 --max-num-batched-tokens 12288 --gpu-memory-utilization 0.85',
    after: 'Profiling CUDA graph memory',
    before: 'GPU KV cache size',
    words:
      /Available KV cache memory: -0\.\d+ GiB\n[\s\S]*ValueError: No available memory for the cache blocks\. Try increasing `gpu_memory_utilization`/,
    right: '--max-num-batched-tokens 2048',
    wrong: '--max-model-len auto',
  },
  'the context': {
    gpu: 't4',
    model: LLAMA,
    flags: '--max-model-len 131072',
    after: 'Available KV cache memory',
    before: 'GPU KV cache size',
    words:
      /ValueError: To serve at least one request with the model's max seq len \(131072\), \([\d.]+ GiB KV cache is needed, which is larger than the available KV cache memory \([\d.]+ GiB\)\. Based on the available memory, the estimated maximum model length is \d+\./,
    right: '--max-model-len auto',
    wrong: '--max-num-seqs 4',
  },
  'the graphs': {
    gpu: 'rtx-4080',
    model: LLAMA,
    flags: '--max-model-len 8192',
    env: { SIM_GRAPH_FACTOR: '3' },
    after: 'Capturing CUDA graphs',
    before: 'Graph capturing finished',
    words: /torch\.OutOfMemoryError: CUDA out of memory/,
    right: '--max-cudagraph-capture-size 32',
    wrong: '--max-model-len 2048',
  },
};

function start(of: Case, more = ''): Promise<StartInside> {
  const args = `${of.flags} ${more}`.trim().split(' ');
  return startInside({ model: of.model, args, env: { SIM_GPU: of.gpu, ...of.env } });
}

describe('a start without memory for', () => {
  test.each(Object.entries(CASES))('%s fails at its point of the start, in the words of vLLM', async (_name, of) => {
    const sim = await start(of);
    expect(sim.exitCode).toBe(1);
    expect(sim.output()).toContain(of.after);
    expect(sim.output()).not.toContain(of.before);
    // The cause is in the engine core's lines on stdout; the front end, which knows nothing, ends the whole on stderr.
    expect(sim.stdout()).toMatch(of.words);
    expect(sim.stdout()).toMatch(/\(EngineCore pid=\d+\) ERROR .*EngineCore failed to start\./);
    expect(sim.stdout()).not.toContain('initialization failed');
    expect(sim.stderr()).toMatch(
      /\(EngineCore pid=\d+\) Process EngineCore:\n[\s\S]*\(APIServer pid=\d+\) RuntimeError: Engine core initialization failed\. See root cause above\. Failed core proc\(s\): \{\}\n$/,
    );
  });

  test.each(Object.entries(CASES))('%s succeeds with the right knob and not with a wrong one', async (_name, of) => {
    expect((await start(of, of.right)).exitCode).toBeNull();
    expect((await start(of, of.wrong)).exitCode).toBe(1);
  });

  test('the weights says only what PyTorch says with the second runner', async () => {
    const sim = await start({ ...CASES['the weights']!, env: { VLLM_USE_V2_MODEL_RUNNER: '1' } });
    expect(sim.exitCode).toBe(1);
    expect(sim.output()).toContain('torch.OutOfMemoryError: CUDA out of memory.');
    expect(sim.output()).not.toContain('Failed to load model');
  });

  test('an FP8 cache on a card that cannot read it is refused as vLLM refuses it', async () => {
    const sim = await startInside({ model: LLAMA, args: ['--kv-cache-dtype', 'fp8'], env: { SIM_GPU: 't4' } });
    expect(sim.exitCode).toBe(1);
    expect(sim.output()).toContain('FP8 KV cache is not supported by the Triton attention backend on Tesla T4 (compute capability 7.5)');
  });

  test.each([
    [
      'openai/gpt-oss-20b',
      [],
      'The quantization method mxfp4 is not supported for the current GPU. Minimum capability: 80. Current capability: 75.',
    ],
    ['google/gemma-3-12b-it-AWQ', ['--dtype', 'half'], "The model type 'gemma3' does not support float16. Reason: Numerical instability"],
    ['google/gemma-3-12b-it-AWQ', [], 'torch.float32 is not supported for quantization method awq'],
    ['sim-1B', ['--dtype', 'bfloat16'], 'Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your Tesla T4 GPU'],
  ])('%s with %o is refused on a T4', async (model, args, words) => {
    const sim = await startInside({ model, args, env: { SIM_GPU: 't4' } });
    expect(sim.exitCode).toBe(1);
    expect(sim.output()).toContain(words);
  });

  test('a context says how long it could be, and auto takes that', async () => {
    const tooLong = await start(CASES['the context']!);
    const longest = Number(/estimated maximum model length is (\d+)/.exec(tooLong.output())![1]);
    await using fitting = await serveInside({ model: LLAMA, args: ['--max-model-len', 'auto'], env: { SIM_GPU: 't4' } });
    const models = JSON.parse((await rawRequest({ port: fitting.port, path: '/v1/models' })).body) as { data: { max_model_len: number }[] };
    expect(models.data[0]!.max_model_len).toBe(longest);
  });
});

describe('out of memory while serving', () => {
  const words = Array.from({ length: 1800 }, () => 'word').join(' ');
  const args = ['--max-model-len', '8192', '--max-num-seqs', '8'];
  const env = { SIM_GPU: 'rtx-4080', SIM_SPEED: '0.05' };

  test.each([
    ['/v1/completions', { prompt: words, max_tokens: 1, prompt_logprobs: 0 }],
    ['/v1/completions', { prompt: words, max_tokens: 1, echo: true, logprobs: 1 }],
    ['/v1/chat/completions', { messages: [{ role: 'user', content: words }], max_tokens: 1, prompt_logprobs: 1 }],
  ])('%s with logprobs of a long prompt kills the engine core', async (path, body) => {
    await using sim = await serveInside({ model: LLAMA, args, env });
    const answer = await rawJson(sim.port, path, body);
    expect(answer.status).toBe(500);
    expect(answer.body).toContain('EngineCore encountered an issue.');
    expect(sim.stdout()).toMatch(
      /EngineCore encountered a fatal error\.\n[\s\S]*torch\.OutOfMemoryError: CUDA out of memory\. Tried to allocate [\d.]+ GiB\./,
    );
    expect((await rawRequest({ port: sim.port, path: '/health' })).status).toBe(503);
  });

  test('ends the process with the exit code 0 after its last words', async () => {
    await using sim = await startSim({ model: LLAMA, args, env });
    expect((await rawJson(sim.port, '/v1/completions', { prompt: words, max_tokens: 1, prompt_logprobs: 0 })).status).toBe(500);
    expect(await sim.exited).toEqual({ code: 0, signal: null });
    expect(sim.stdout()).toMatch(
      /EngineCore encountered a fatal error\.\n[\s\S]*torch\.OutOfMemoryError: CUDA out of memory\. Tried to allocate [\d.]+ GiB\.[\s\S]*AsyncLLM output_handler failed\.[\s\S]*EngineDeadError/,
    );
  });

  test('does not come of a short prompt, of plain logprobs, or where there is room beside the cache', async () => {
    await using tight = await serveInside({ model: LLAMA, args, env });
    const short = await rawJson(tight.port, '/v1/completions', { prompt: 'a few words only', max_tokens: 2, prompt_logprobs: 1 });
    expect(short.status).toBe(200);
    const [choice] = (JSON.parse(short.body) as { choices: { prompt_logprobs: (object | null)[] }[] }).choices;
    expect(choice!.prompt_logprobs).toHaveLength(4);
    expect(choice!.prompt_logprobs[0]).toBeNull();
    expect(Object.values(choice!.prompt_logprobs[1]!)[0]).toMatchObject({ rank: 1, decoded_token: ' few' });
    expect((await rawJson(tight.port, '/v1/completions', { prompt: words, max_tokens: 2, logprobs: 1 })).status).toBe(200);
    await using roomy = await serveInside({ model: LLAMA, args: [...args, '--gpu-memory-utilization', '0.75'], env });
    const long = await rawJson(roomy.port, '/v1/completions', { prompt: words, max_tokens: 1, echo: true, logprobs: 1 });
    expect(long.status).toBe(200);
    const { logprobs } = (JSON.parse(long.body) as { choices: { logprobs: { tokens: string[]; token_logprobs: (number | null)[] } }[] })
      .choices[0]!;
    expect(logprobs.tokens).toHaveLength(1801);
    expect(logprobs.token_logprobs.filter((value) => value === null)).toHaveLength(1);
  });

  test('tells so in the log first, and gives the memory back', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'oom-'));
    const path = join(folder, 'vram.json');
    await using sim = await startSim({ model: LLAMA, args, env: { ...env, SIM_VRAM_FILE: path } });
    const file = new VramFile(path, []);
    expect(usedMib(file.peek().gpus[0]!)).toBeGreaterThan(14_000);
    await sim.fault({ fault: 'oom-runtime', after_tokens: 5 });
    const answer = await rawJson(sim.port, '/v1/completions', { prompt: 'hello', max_tokens: 1000, ignore_eos: true, stream: true });
    expect(answer.body).toContain('EngineCore encountered an issue.');
    expect((await sim.exited).code).toBe(0);
    expect(sim.output()).toMatch(/EngineCore encountered a fatal error\.[\s\S]*torch\.OutOfMemoryError[\s\S]*EngineDeadError/);
    expect(usedMib(file.peek().gpus[0]!)).toBe(0);
    rmSync(folder, { recursive: true });
  });

  test('comes again and again above a utilization, and not below it', async () => {
    const limited = { ...env, SIM_RUNTIME_OOM_ABOVE_UTIL: '0.9', SIM_FAULT_AFTER_TOKENS: '3' };
    const body = { prompt: 'hello', max_tokens: 10, ignore_eos: true };
    await using above = await serveInside({ model: LLAMA, args, env: limited });
    expect((await rawJson(above.port, '/v1/completions', { ...body, max_tokens: 2 })).status).toBe(200);
    expect((await rawJson(above.port, '/v1/completions', body)).status).toBe(500);
    expect((await rawRequest({ port: above.port, path: '/health' })).status).toBe(503);
    expect(above.output()).toContain('torch.OutOfMemoryError');
    await using below = await serveInside({ model: LLAMA, args: [...args, '--gpu-memory-utilization', '0.89'], env: limited });
    expect((await rawJson(below.port, '/v1/completions', body)).status).toBe(200);
    expect((await rawRequest({ port: below.port, path: '/health' })).status).toBe(200);
  });
});

describe('last words', () => {
  test('of a start and of an engine core are what the test wants them to be', async () => {
    const refused = await startInside({ env: { SIM_START_ERROR: 'GatedRepoError: 401 Client Error. Cannot access gated repo' } });
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr()).toContain('GatedRepoError: 401 Client Error. Cannot access gated repo');
    await using dying = await startSim({
      env: { SIM_DEATH_ERROR: 'torch.AcceleratorError: CUDA error: an illegal memory access was encountered' },
    });
    await dying.fault({ fault: 'engine-death' });
    expect((await dying.exited).code).toBe(0);
    expect(dying.stdout()).toMatch(
      /EngineCore encountered a fatal error\.\n[\s\S]*an illegal memory access was encountered[\s\S]*EngineDeadError/,
    );
  });
});

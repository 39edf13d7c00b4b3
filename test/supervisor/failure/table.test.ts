import { describe, expect, test } from 'vitest';
import { explain } from '../../../supervisor/failure/explain.ts';
import * as noticed from '../../../supervisor/failure/failure.ts';
import type { Evidence, FailurePhase } from '../../../supervisor/failure/row.ts';
import { FAILURE_CLASSES, FAILURE_ROWS } from '../../../supervisor/failure/table.ts';
import { LineSplitter } from '../../../supervisor/failure/log-tail.ts';

const ENGINE = '(EngineCore pid=9) ERROR 08-17 10:00:00 [core.py:1]';
const API = '(APIServer pid=1)';
const OOM = 'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 15.57 GiB';

interface Case {
  readonly class: string;
  readonly retry: string;
  readonly log: string;
  readonly phase?: FailurePhase;
  readonly livedMs?: number;
  /** In the message. */
  readonly says: RegExp;
  readonly advises?: RegExp;
  readonly evidence?: Evidence;
}

/** What vLLM 0.27 and its libraries write, a line or two each. */
const CASES: readonly Case[] = [
  {
    class: 'kv-too-small',
    retry: 'relax',
    log: `${ENGINE} ValueError: To serve at least one request with the model's max seq len (8192), (2.0 GiB KV cache is needed, which is larger than the available KV cache memory (0.0 GiB). Try increasing`,
    phase: 'profile',
    says: /8192 tokens does not fit into the GPU’s memory\. The KV cache has 0\.0 GiB and 2\.0 GiB are needed/,
    evidence: { askedModelLen: 8192, kvNeededGib: 2, kvAvailableGib: 0 },
  },
  {
    class: 'config',
    retry: 'never',
    log: 'ValueError: The repository x/y contains custom code which must be executed to correctly load the model. Please pass the argument `trust_remote_code=True`',
    says: /code of its own/,
    advises: /trust_remote_code: true/,
  },
  {
    class: 'config',
    retry: 'never',
    log: 'RuntimeError: Failed to load the model config. If the model is a custom model not yet available in the HuggingFace transformers library, consider setting `trust_remote_code=True` in LLM or using the `--trust-remote-code` flag in the CLI.',
    says: /code of its own/,
  },
  {
    class: 'model-fetch',
    retry: 'backoff',
    log: `${API} openai_harmony.HarmonyError: error downloading or loading vocab file: failed to download or load vocab file`,
    says: /gpt-oss needs two files/,
    advises: /TIKTOKEN_ENCODINGS_BASE/,
  },
  {
    class: 'model-fetch',
    retry: 'never',
    log: 'huggingface_hub.errors.OfflineModeIsEnabled: Cannot reach https://huggingface.co/x: offline mode is enabled.',
    says: /HF_HUB_OFFLINE/,
    advises: /hf download/,
  },
  {
    class: 'model-fetch',
    retry: 'never',
    log: "huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name' or 'namespace/repo_name': '/models/nosuch'. Use `repo_type` argument if needed.",
    says: /^\/models\/nosuch is neither a folder/,
  },
  {
    class: 'model-fetch',
    retry: 'never',
    log: `${ENGINE} safetensors_rust.SafetensorError: Error while deserializing header: MetadataIncompleteBuffer`,
    says: /damaged or not whole/,
  },
  {
    class: 'model-fetch',
    retry: 'never',
    log: 'requests.exceptions.HTTPError: 403 Client Error: Forbidden for url: https://huggingface.co/x/resolve/main/config.json',
    says: /gated/,
    advises: /HF_TOKEN/,
  },
  {
    class: 'config',
    retry: 'never',
    log: 'ValueError: The checkpoint you are trying to load has model type `qwen9` but Transformers does not recognize this architecture.',
    says: /does not know .* \(qwen9\)/,
  },
  {
    class: 'config',
    retry: 'never',
    log: '  Value error, Cannot find the config file for awq [type=value_error, input_value=1]',
    says: /quantization that is set \(awq\)/,
    advises: /Leave quantization out/,
  },
  {
    class: 'config',
    retry: 'never',
    log: 'ValueError: Unknown quantization method: foo. Must be one of [awq, gptq]',
    says: /\(foo\)/,
  },
  {
    class: 'config',
    retry: 'never',
    log: `${API} KeyError: 'invalid tool call parser: qwen9 (chose from { hermes,mistral })'`,
    says: /no tool call parser qwen9/,
    advises: /tool_call_parser/,
  },
  {
    class: 'config',
    retry: 'never',
    log: 'TypeError: Error: --enable-auto-tool-choice requires --tool-call-parser',
    says: /no parser for its calls/,
  },
  {
    class: 'config',
    retry: 'never',
    log: '  Value error, Sleep mode is not supported on current platform. [type=value_error, input_value=1]',
    says: /cannot put a model to sleep/,
    advises: /swap\.strategy: cold/,
  },
  {
    class: 'toolchain',
    retry: 'never',
    log: "ModuleNotFoundError: No module named 'uvloop'",
    says: /not whole: uvloop is missing/,
  },
  {
    class: 'unsupported-gpu',
    retry: 'never',
    log: "ptxas fatal   : Value 'sm_121a' is not defined for option 'gpu-name'",
    says: /no code for this GPU/,
  },
  {
    class: 'driver',
    retry: 'never',
    log: 'RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 803: system has unsupported display driver / cuda driver combination',
    says: /driver is too old/,
  },
  {
    class: 'busy-vram',
    retry: 'wait',
    log: `${ENGINE} ValueError: Free memory on device cuda:0 (3.1/15.57 GiB) on startup is less than desired GPU memory utilization (0.92, 14.33 GiB). Decrease`,
    phase: 'launch',
    says: /3\.1 of 15\.57 GiB free and 14\.33 GiB were wanted/,
    evidence: { freeGib: 3.1, totalGib: 15.57, wantedGib: 14.33 },
  },
  {
    class: 'busy-vram',
    retry: 'wait',
    log: `${ENGINE} AssertionError: Error in memory profiling. Initial free memory 14.2 GiB, current free memory 14.9 GiB.`,
    phase: 'profile',
    says: /while vLLM was measuring/,
  },
  {
    class: 'kv-too-small',
    retry: 'relax',
    log:
      `${ENGINE} ValueError: To serve at least one request with the model's max seq len (32768), (4.00 GiB KV cache is needed, which is larger ` +
      'than the available KV cache memory (1.25 GiB). Based on the available memory, the estimated maximum model length is 10224. Try increasing',
    phase: 'profile',
    says: /32768 tokens does not fit .* 10224 would\. The KV cache has 1\.25 GiB and 4\.00 GiB are needed/,
    evidence: { askedModelLen: 32768, kvNeededGib: 4, kvAvailableGib: 1.25, fittingModelLen: 10224 },
  },
  {
    class: 'oom-kv-zero',
    retry: 'relax',
    log: `${ENGINE} ValueError: No available memory for the cache blocks. Try increasing \`gpu_memory_utilization\``,
    phase: 'profile',
    says: /no room on the GPU/,
    advises: /4-bit/,
  },
  {
    class: 'oom-kv-zero',
    retry: 'relax',
    log: `${ENGINE} ValueError: Cannot auto-fit max_model_len: not enough GPU memory available to serve even a single token.`,
    phase: 'profile',
    says: /no room on the GPU/,
  },
  {
    class: 'oom-kv-zero',
    retry: 'relax',
    log: '(EngineCore pid=9) INFO 08-17 10:00:00 [gpu_worker.py:356] Available KV cache memory: -0.41 GiB',
    phase: 'profile',
    says: /0\.41 GiB are missing/,
    evidence: { kvAvailableGib: -0.41 },
  },
  {
    class: 'oom-sampler',
    retry: 'relax',
    log: `${ENGINE} ${OOM}\n${ENGINE} RuntimeError: CUDA out of memory occurred when warming up sampler with 256 dummy requests. Please try lowering`,
    phase: 'warmup',
    says: /trying 256 at once/,
    advises: /max_num_seqs/,
    evidence: { sequences: 256, totalGib: 15.57 },
  },
  {
    class: 'oom-weights',
    retry: 'relax',
    log: `${ENGINE} Failed to load model - not enough GPU memory. Try lowering --gpu-memory-utilization\n${ENGINE} ${OOM}`,
    phase: 'load',
    says: /weights do not fit/,
    advises: /quantized/,
  },
  { class: 'oom-weights', retry: 'relax', log: `${ENGINE} ${OOM}`, phase: 'load', says: /while the weights were loaded/ },
  {
    class: 'oom-wake',
    retry: 'backoff',
    log: `${ENGINE} RuntimeError: /build/csrc/cumem_allocator.cpp:145 CUDA Error: out of memory`,
    phase: 'serving',
    says: /wake up/,
  },
  {
    class: 'oom-weights',
    retry: 'relax',
    log: `(EngineCore pid=9) CUDA Error: out of memory at /build/csrc/cumem_allocator.cpp:145\n${ENGINE} ${OOM}`,
    phase: 'load',
    says: /while the weights were loaded/,
  },
  {
    class: 'oom-graph',
    retry: 'relax',
    log: `${ENGINE} torch.AcceleratorError: CUDA error: out of memory`,
    phase: 'graphs',
    says: /CUDA graphs/,
  },
  { class: 'oom-profile', retry: 'relax', log: `${ENGINE} ${OOM}`, phase: 'profile', says: /trial run/, advises: /max_num_batched_tokens/ },
  { class: 'oom-graph', retry: 'relax', log: `${ENGINE} ${OOM}`, phase: 'graphs', says: /CUDA graphs/, advises: /enforce_eager/ },
  { class: 'oom-runtime', retry: 'relax', log: `${ENGINE} ${OOM}`, phase: 'kv', says: /does not reckon with/ },
  {
    class: 'oom-runtime',
    retry: 'relax',
    log: `${ENGINE} EngineCore encountered a fatal error.\n${ENGINE} ${OOM}\n${API} vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue.`,
    phase: 'serving',
    says: /does not reckon with/,
    advises: /gpu_memory_utilization/,
  },
  {
    class: 'oom-runtime',
    retry: 'relax',
    log: `${ENGINE} RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)`,
    phase: 'serving',
    says: /ran out of memory/,
  },
  {
    class: 'oom-host',
    retry: 'backoff',
    log: `${ENGINE} RuntimeError: [enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 1073741824 bytes.`,
    phase: 'load',
    says: /no main memory left/,
    advises: /not more GPU memory/,
  },
  {
    class: 'config',
    retry: 'never',
    log: 'usage: vllm serve\nvllm serve: error: unrecognized arguments: --swap-space 4',
    phase: 'launch',
    says: /unrecognized arguments: --swap-space 4/,
  },
  { class: 'port', retry: 'next_port', log: `${API} OSError: [Errno 98] Address already in use`, phase: 'launch', says: /port was taken/ },
  {
    class: 'unsupported-kernel',
    retry: 'never',
    log: `${ENGINE} triton.runtime.errors.OutOfResources: out of resource: shared memory, Required: 98304, Hardware limit: 65536. Reducing block sizes`,
    phase: 'warmup',
    says: /98304 of 65536 bytes.*not a lack of GPU memory/,
  },
  {
    class: 'unsupported-kernel',
    retry: 'never',
    log: `${ENGINE} RuntimeError: BatchPrefillWithPagedKVCache failed with error invalid argument`,
    phase: 'warmup',
    says: /attention kernel/,
    advises: /TRITON_ATTN/,
  },
  {
    class: 'unsupported-gpu',
    retry: 'never',
    log: `${ENGINE} RuntimeError: CUDA error: no kernel image is available for execution on the device`,
    phase: 'load',
    says: /no code for this GPU/,
  },
  {
    class: 'driver',
    retry: 'never',
    log: `${ENGINE} RuntimeError: The NVIDIA driver on your system is too old (found version 12080).`,
    phase: 'launch',
    says: /driver is too old/,
    advises: /R580/,
  },
  {
    class: 'config',
    retry: 'never',
    log: `${ENGINE} ValueError: World size (4) is larger than the number of available GPUs (1) in this node.`,
    phase: 'launch',
    says: /over 4 GPUs and 1 can be used/,
    advises: /tensor_parallel_size/,
  },
  { class: 'no-gpu', retry: 'backoff', log: `${API} RuntimeError: Failed to infer device type`, phase: 'launch', says: /no usable GPU/ },
  {
    class: 'config',
    retry: 'never',
    log: `${API} ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your Tesla T4 GPU has compute capability 7.5. You can use float16`,
    phase: 'launch',
    says: /Tesla T4 \(compute capability 7\.5\) has no bfloat16/,
    advises: /dtype: half/,
  },
  {
    class: 'config',
    retry: 'never',
    log: `${API} ValueError: The model type 'gemma3' does not support float16. Reason: Numerical instability. Please use bfloat16 or float32 instead.`,
    phase: 'launch',
    says: /cannot compute in float16 \(gemma3: numerical instability\)/,
    advises: /on a T4 choose/,
  },
  {
    class: 'config',
    retry: 'never',
    log: `${ENGINE} ValueError: The quantization method mxfp4 is not supported for the current GPU. Minimum capability: 80. Current capability: 75.`,
    phase: 'launch',
    says: /quantization that was asked for \(mxfp4\)/,
  },
  {
    class: 'config',
    retry: 'never',
    log: `${ENGINE} ValueError: Selected backend AttentionBackendEnum.FLASHINFER is not valid for this configuration. Reason: ['compute capability']`,
    phase: 'launch',
    says: /attention backend/,
  },
  {
    class: 'config',
    retry: 'never',
    log: `${API}   Value error, User-specified max_model_len (65536) is greater than the derived max_model_len (max_position_embeddings=32768 or model_max_length=None`,
    phase: 'launch',
    says: /context of 65536 tokens, but for 32768/,
  },
  {
    class: 'config',
    retry: 'never',
    log: `${API}   Value error, Model architectures ['FooForCausalLM'] are not supported for now. Supported architectures: dict_keys`,
    phase: 'launch',
    says: /\['FooForCausalLM'\]/,
    advises: /Update vLLM/,
  },
  {
    class: 'config',
    retry: 'never',
    log: `${API} pydantic_core._pydantic_core.ValidationError: 1 validation error for SchedulerConfig`,
    phase: 'launch',
    says: /SchedulerConfig/,
  },
  {
    class: 'toolchain',
    retry: 'never',
    log: `${ENGINE} RuntimeError: Failed to find C compiler. Please specify via CC environment variable.`,
    phase: 'profile',
    says: /compiler is missing/,
    advises: /gcc/,
  },
  {
    class: 'model-fetch',
    retry: 'never',
    log: `${API} OSError: You are trying to access a gated repo.\n${API} huggingface_hub.errors.GatedRepoError: 401 Client Error.`,
    phase: 'launch',
    says: /gated/,
    advises: /HF_TOKEN/,
  },
  {
    class: 'model-fetch',
    retry: 'never',
    log: `${API} OSError: nobody/nothing is not a local folder and is not a valid model identifier listed on 'https://huggingface.co/models'`,
    phase: 'launch',
    says: /was not found/,
    advises: /models\[\]\.source/,
  },
  { class: 'disk-full', retry: 'never', log: `${API} OSError: [Errno 28] No space left on device`, phase: 'launch', says: /disk is full/ },
  {
    class: 'model-fetch',
    retry: 'backoff',
    log: `${API} requests.exceptions.ConnectionError: Temporary failure in name resolution`,
    phase: 'launch',
    says: /network/,
  },
  { class: 'hardware', retry: 'never', log: `${ENGINE} RuntimeError: GPU has fallen off the bus`, phase: 'serving', says: /hardware/ },
  {
    class: 'crash',
    retry: 'backoff',
    log: `${ENGINE} RuntimeError: CUDA error: an illegal memory access was encountered`,
    phase: 'serving',
    says: /crashed/,
    advises: /Xid/,
  },
  {
    class: 'interconnect',
    retry: 'backoff',
    log: '(Worker_TP1 pid=11) ERROR torch.distributed.DistBackendError: NCCL error: unhandled system error',
    phase: 'launch',
    says: /talk to each other/,
    advises: /shm/,
  },
  {
    class: 'engine-hang',
    retry: 'backoff',
    log: `${ENGINE} TimeoutError: RPC call to execute_model timed out.`,
    phase: 'serving',
    says: /stopped answering/,
  },
  {
    class: 'start-timeout',
    retry: 'backoff',
    log: `${API} TimeoutError: Timed out waiting for engine core processes to start. Consider raising VLLM_ENGINE_READY_TIMEOUT_S`,
    phase: 'profile',
    says: /gave up waiting/,
  },
  {
    class: 'start-timeout',
    retry: 'backoff',
    log: `${API} RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}`,
    phase: 'profile',
    livedMs: 601_000,
    says: /still preparing/,
  },
  {
    class: 'engine-start',
    retry: 'backoff',
    log: `${API} RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}`,
    phase: 'profile',
    livedMs: 20_000,
    says: /failed while starting/,
  },
  {
    class: 'engine-death',
    retry: 'backoff',
    log: `${API} ERROR 08-17 10:00:00 [core_client.py:600] [shutdown] MPClient: engine core exited unexpectedly; starting cleanup`,
    phase: 'serving',
    says: /engine behind the API server died/,
  },
];

/** An exception with the last two places of its traceback. */
const raised = (places: readonly string[], words: string) =>
  [
    `${ENGINE} EngineCore failed to start.`,
    `${ENGINE} Traceback (most recent call last):`,
    ...places.flatMap((place) => [`${ENGINE}   File "/opt/vllm/v1/worker/gpu/${place}`, `${ENGINE}     return self.run(x)`]),
    `${ENGINE} ${words}`,
  ].join('\n');

/** The model runner that is the default on GPUs since 0.32 raises PyTorch's error and says no more. */
const NEWER_RUNNER: readonly Case[] = [
  {
    class: 'oom-sampler',
    retry: 'relax',
    log: raised(['model_runner.py", line 983, in _dummy_sampler_run', 'sample/sampler.py", line 77, in __call__'], OOM),
    phase: 'profile',
    says: /too many parallel sequences/,
    advises: /max_num_seqs/,
    evidence: { totalGib: 15.57 },
  },
  {
    class: 'oom-graph',
    retry: 'relax',
    log: raised(['model_runner.py", line 1040, in profile_cudagraph_memory', 'cudagraph_utils.py", line 460, in capture'], OOM),
    phase: 'profile',
    says: /CUDA graphs were tried out/,
    advises: /max_cudagraph_capture_size/,
  },
  {
    class: 'oom-profile',
    retry: 'relax',
    log: raised(['model_runner.py", line 995, in profile_run', 'model_runner.py", line 850, in _dummy_run'], OOM),
    phase: 'profile',
    says: /trial run/,
    advises: /max_num_batched_tokens/,
  },
];

const ROWS_OF_VALUES: readonly Case[] = [
  {
    class: 'config',
    retry: 'never',
    log: `${API} ValueError: Invalid value 'maybe' for VLLM_USE_X. Valid options: ['yes', 'no'].`,
    phase: 'launch',
    says: /VLLM_USE_X is “maybe”/,
  },
  {
    class: 'config',
    retry: 'never',
    log: `${API} ValueError: Unknown level: 'LOUD'`,
    phase: 'launch',
    says: /“LOUD”/,
  },
  {
    class: 'config',
    retry: 'never',
    log: `${API} ValueError: could not convert string to float: 'much'`,
    phase: 'launch',
    says: /got “much”/,
  },
  {
    class: 'config',
    retry: 'backoff',
    log: `${ENGINE} ValueError: Available memory on node 0 (3.64/14.71 GiB) on kv cache allocation is less than requested memory for kv (8.0 GiB). Decrease`,
    phase: 'load',
    says: /8\.0 GiB is asked for, and of the machine’s 14\.71 GiB 3\.64 are free/,
    evidence: { kvNeededGib: 8, freeGib: 3.64, totalGib: 14.71 },
  },
  {
    class: 'model-fetch',
    retry: 'never',
    log: `${ENGINE} RuntimeError: Cannot find any model weights with \`/models/x\``,
    says: /no weights in \/models\/x/,
  },
  {
    class: 'model-fetch',
    retry: 'never',
    log: `${API} OSError: Can't load tokenizer for '/models/x'. If you were trying to load it from`,
    phase: 'launch',
    says: /tokenizer cannot be read/,
  },
];

describe('every row of the table', () => {
  test.each([...CASES, ...NEWER_RUNNER, ...ROWS_OF_VALUES])('$class, said in $phase: $log', (one) => {
    const phase = one.phase ?? 'load';
    const failure = explain({
      exit: phase === 'serving' ? { code: 0, signal: null } : { code: 1, signal: null },
      phase,
      lines: new LineSplitter().push(`${one.log}\n`),
      livedMs: one.livedMs ?? 30_000,
      hostOomKills: null,
      ended: false,
      first: null,
    });
    expect(failure).toMatchObject({ class: one.class, retry: one.retry, phase });
    expect(failure.message).toMatch(one.says);
    expect(failure.message).not.toMatch(/undefined|null|NaN/);
    expect(failure.message).toContain('It said: “');
    expect(failure.advice).toMatch(one.advises ?? /./);
    if (one.evidence) expect(failure.evidence).toEqual(one.evidence);
  });

  test('has a line of log here', () => {
    const without = FAILURE_ROWS.filter(
      (row) =>
        ![...CASES, ...NEWER_RUNNER, ...ROWS_OF_VALUES].some(
          ({ class: name, phase, log }) =>
            name === row.class &&
            (!row.phases || (phase !== undefined && row.phases.includes(phase))) &&
            log.split('\n').some((line) => row.pattern.test(line)),
        ),
    );
    expect(without).toEqual([]);
  });

  test('is never read into what a healthy start says', () => {
    const healthy = [
      'INFO 08-17 10:00:00 [model.py:530] Resolved architecture: LlamaForCausalLM',
      'WARNING 08-17 10:00:00 [x.py:1] 401 Client Error while checking for updates; the cached files are used',
      'INFO 08-17 10:00:00 [gpu_worker.py:356] Available KV cache memory: 6.87 GiB',
      'WARNING 08-17 10:00:00 [x.py:1] No available shared memory broadcast block found in 60 seconds.',
      'Loading safetensors checkpoint shards: 100% Completed | 2/2',
      'INFO:     Application startup complete.',
    ];
    const lines = new LineSplitter().push(`${healthy.join('\n')}\n`);
    const ending = { exit: { code: 0, signal: null }, lines, livedMs: 1000, hostOomKills: null, ended: false, first: null } as const;
    for (const phase of ['load', 'profile', 'serving'] as const) expect(explain({ ...ending, phase }).class).toBe('unknown');
  });
});

test('what a failure can be is what the table or a look from outside makes of it, and nothing else', () => {
  const gpu = { memoryTotalBytes: 16 * 2 ** 30, memoryReservedBytes: 0 };
  const killed = { exit: { code: null, signal: 'SIGKILL' }, phase: 'load', lines: [], livedMs: 1, ended: false, first: null } as const;
  const made = [
    ...[noticed.startTimedOut('load', 1), noticed.warmUpFailed('x'), noticed.unresponsive('x'), noticed.idleHung(3, 'x')],
    ...[noticed.stoppedFromOutside('serving')],
    ...[noticed.stalled(1, 1, true), noticed.sleepFailed('x'), noticed.wakeFailed('x'), noticed.unkillable([1]), noticed.refused('x')],
    ...[noticed.spawnFailed('x', 'ENOENT', 'x'), noticed.spawnFailed('x', 'EAGAIN', 'x'), noticed.notPrepared('x'), noticed.noPortLeft()],
    ...[noticed.vramBusy(gpu, 1, 0.9), noticed.vramNeverFree(gpu, 1, 0.99)],
    ...[0, 1, null].map((hostOomKills) => explain({ ...killed, hostOomKills })),
    ...[
      { code: 2, signal: null },
      { code: 0, signal: null },
      { code: null, signal: 'SIGSEGV' },
    ].map((exit) => explain({ ...killed, exit, hostOomKills: null })),
  ];
  const classes = new Set([...FAILURE_ROWS, ...made].map((one) => one.class));
  expect([...classes].toSorted()).toEqual(FAILURE_CLASSES.toSorted());
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Evidence } from '../../../supervisor/failure/row.ts';
import type { FailureClass } from '../../../supervisor/failure/table.ts';
import { FAILURE_ROWS } from '../../../supervisor/failure/table.ts';
import type { Footing } from '../../../supervisor/ladder/ladder.ts';
import { answer, climb, LEVEL_GROUND, nextStep } from '../../../supervisor/ladder/ladder.ts';
import { ladderLimits } from '../../../supervisor/ladder/limits.ts';
import { RUNGS } from '../../../supervisor/ladder/rungs.ts';
import type { LadderLimits, Relaxation, Setup } from '../../../supervisor/ladder/step.ts';
import { refusedFeatures, relax, summarize } from '../../../supervisor/ladder/step.ts';
import type { EngineSettings, ModelProfile } from '../../../supervisor/profile/profile.ts';
import { loadProfiles } from '../../../supervisor/profile/profile.ts';
import { LIMITS, oomOf, POLICY, SETUP } from '../machine/machine-world.ts';

/** Fails with this class again and again; what is relaxed, in order, as `setting=to`. */
function descend(
  name: FailureClass,
  options: { setup?: Setup; limits?: Partial<LadderLimits>; evidence?: Evidence & { patienceOver?: boolean } } = {},
) {
  const setup = options.setup ?? SETUP;
  const limits = { ...LIMITS, ...options.limits };
  const taken: Relaxation[] = [];
  for (let i = 0; i < 100; i += 1) {
    const step = nextStep({ class: name, setup: relax(setup, taken), limits, evidence: options.evidence ?? {}, taken });
    if (!step) break;
    taken.push(step);
  }
  return taken;
}

function inShort(steps: readonly Relaxation[]): string[] {
  return steps.map(({ setting, to }) => `${setting}=${to}`);
}

describe('each class has its own ladder', () => {
  test('weights: pictures, smaller weights, main memory', () => {
    const smaller = [{ name: '8 bits', source: 'small', weightsGib: 14.5 }];
    expect(inShort(descend('oom-weights', { limits: { weightsGib: 28, smaller } }))).toEqual([
      'language_model_only=true',
      'weights=small',
      'cpu_offload_gb=2',
    ]);
    // Of weights that are smaller by now the rest is reckoned, not of those that were wanted.
    expect(inShort(descend('oom-weights', { limits: { weightsGib: 15 } }))).toEqual(['language_model_only=true', 'weights=small']);
    // Each of two cards holds half of them.
    const two = { vision: false, gpus: 2, weightsGib: 30, smaller: [{ name: '8 bits', source: 'small', weightsGib: 27 }] };
    expect(inShort(descend('oom-weights', { limits: two }))).toEqual(['weights=small', 'cpu_offload_gb=1']);
    expect(descend('oom-weights', { limits: { vision: false, smaller: [], weightsGib: null } })).toEqual([]);
    const three = [
      { name: '8 bits', source: 'middle', weightsGib: 15.2 },
      { name: '4 bits', source: 'small', weightsGib: 9 },
    ];
    expect(inShort(descend('oom-weights', { limits: { vision: false, smaller: three }, evidence: { totalGib: 15.57 } }))).toEqual([
      'weights=small',
    ]);
    // Half of the weights over the bus for each token is no service.
    expect(inShort(descend('oom-weights', { limits: { vision: false, smaller: [], weightsGib: 40 } }))).toEqual([]);
  });

  test('runtime, on half a card: its own half is the measure', () => {
    const engine = { ...SETUP.engine, gpu_memory_utilization: 0.46 };
    const limits = { share: 0.5, minUtilization: 0.2, maxUtilization: 0.475 };
    const steps = inShort(descend('oom-runtime', { setup: { ...SETUP, engine }, limits }));
    expect(steps.filter((step) => step.startsWith('gpu_memory'))).toEqual(['gpu_memory_utilization=0.43', 'gpu_memory_utilization=0.4']);
    const raised = inShort(descend('oom-kv-zero', { setup: { ...SETUP, engine }, limits }));
    expect(raised.filter((step) => step.startsWith('gpu_memory'))).toEqual([]);
  });

  test('sampler: sequences down to four, then tokens', () => {
    expect(inShort(descend('oom-sampler'))).toEqual([
      ...['max_num_seqs=32', 'max_num_seqs=16', 'max_num_seqs=8', 'max_num_seqs=4'],
      ...['max_num_batched_tokens=1024', 'max_num_batched_tokens=512'],
    ]);
  });

  test('trial run: tokens down to 512, then sequences, then pictures', () => {
    expect(inShort(descend('oom-profile'))).toEqual([
      ...['max_num_batched_tokens=1024', 'max_num_batched_tokens=512'],
      ...['max_num_seqs=32', 'max_num_seqs=16', 'max_num_seqs=8', 'max_num_seqs=4'],
      'language_model_only=true',
    ]);
  });

  test('context too long: the length that fits, at once', () => {
    const [step] = descend('kv-too-small', {
      evidence: { askedModelLen: 8192, fittingModelLen: 6300, kvAvailableGib: 0.8, kvNeededGib: 1 },
    });
    expect(step).toMatchObject({
      setting: 'max_model_len',
      from: '8192',
      to: '6144',
      reason: expect.stringContaining('0.8 GiB and 1 GiB'),
    });
  });

  test('context too long for the least useful one: everything else', () => {
    expect(inShort(descend('kv-too-small', { evidence: { askedModelLen: 8192, fittingModelLen: 1200 } }))).toEqual([
      ...['max_num_batched_tokens=1024', 'kv_cache_dtype=int8_per_token_head', 'max_cudagraph_capture_size=8', 'enforce_eager=true'],
      'gpu_memory_utilization=0.94',
    ]);
    const ada = descend('kv-too-small', { limits: { computeCap: 8.9, sliding: false }, evidence: { fittingModelLen: 100 } });
    expect(inShort(ada).slice(0, 2)).toEqual(['kv_cache_dtype=fp8', 'max_cudagraph_capture_size=8']);
  });

  test('no KV cache at all: batch, sequences, graphs, share, smaller weights', () => {
    expect(inShort(descend('oom-kv-zero'))).toEqual([
      ...['max_num_batched_tokens=1024', 'max_num_seqs=32', 'max_cudagraph_capture_size=8', 'enforce_eager=true'],
      ...['gpu_memory_utilization=0.94', 'weights=small'],
    ]);
  });

  test('graphs: fewer, fewer still, simpler, more room, none', () => {
    expect(inShort(descend('oom-graph'))).toEqual([
      ...['max_cudagraph_capture_size=32', 'max_cudagraph_capture_size=8', 'optimization_level=1', 'gpu_memory_utilization=0.89'],
      'enforce_eager=true',
    ]);
    const few = { ...SETUP, engine: { ...SETUP.engine, max_cudagraph_capture_size: 16 } };
    expect(inShort(descend('oom-graph', { setup: few }))[0]).toBe('max_cudagraph_capture_size=8');
  });

  test('serving: share, prompt log-probabilities, batch, sequences, segments, graphs, share down to its floor', () => {
    const steps = inShort(descend('oom-runtime'));
    expect(steps.slice(0, 6)).toEqual([
      ...['gpu_memory_utilization=0.89', 'prompt_logprobs=refused', 'max_num_batched_tokens=1024', 'max_num_seqs=32'],
      ...['PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True', 'enforce_eager=true'],
    ]);
    expect(steps.slice(6)).toEqual(['0.86', '0.83', '0.8', '0.77'].map((share) => `gpu_memory_utilization=${share}`));
  });

  test('serving, where models sleep: no segments, with which they could not', () => {
    const sleeping = { ...SETUP, engine: { ...SETUP.engine, enable_sleep_mode: true } };
    expect(inShort(descend('oom-runtime', { setup: sleeping })).filter((step) => step.startsWith('PYTORCH'))).toEqual([]);
  });

  test('a taken card: the share that is free, once it has been waited for, and not less than the weights need', () => {
    const evidence = { freeGib: 13.31, totalGib: 15.57, patienceOver: true };
    expect(inShort(descend('busy-vram', { evidence }))).toEqual(['gpu_memory_utilization=0.82']);
    expect(descend('busy-vram', { evidence: { ...evidence, patienceOver: false } })).toEqual([]);
    expect(descend('busy-vram', { evidence, limits: { minUtilization: 0.9 } })).toEqual([]);
  });

  test('a card that is busy: what is never free is not waited for, nor what is only just not', () => {
    const never = { freeGib: 15.3, totalGib: 16, wantedGib: 15.7, mostUtilization: 0.9 };
    const [step, ...more] = descend('busy-vram', { evidence: never });
    expect(step).toMatchObject({ to: '0.9', reason: expect.stringMatching(/^CUDA itself takes the rest/) });
    expect(more).toEqual([]);
    const asked = { ...SETUP, engine: { ...SETUP.engine, gpu_memory_utilization: 0.92 } };
    const short = { freeGib: 14.5, totalGib: 16, wantedGib: 14.72 };
    expect(inShort(descend('busy-vram', { setup: asked, evidence: short }))).toEqual(['gpu_memory_utilization=0.87']);
    expect(descend('busy-vram', { setup: asked, evidence: { ...short, freeGib: 13 } })).toEqual([]);
  });

  test('main memory: only what the kernel has counted, and never a knob of the card', () => {
    expect(descend('oom-host')).toEqual([]);
    const offloading = { ...SETUP, engine: { ...SETUP.engine, cpu_offload_gb: 4 } };
    expect(inShort(descend('oom-host', { setup: offloading, evidence: { hostOomKills: 1 } }))).toEqual([
      ...['cpu_offload_gb=0', 'safetensors_load_strategy=lazy', 'mm_processor_cache_gb=1'],
    ]);
  });
});

test('a batch is never smaller than its sequences, nor than a context that may not be cut: vLLM would refuse it', () => {
  const wide = { ...SETUP, engine: { max_num_seqs: 1024, max_num_batched_tokens: 1024 } };
  expect(inShort(descend('oom-profile', { setup: wide }))[0]).toBe('max_num_seqs=512');
  const uncut = { ...SETUP, engine: { ...SETUP.engine, enable_chunked_prefill: false, max_num_batched_tokens: 8192 } };
  expect(inShort(descend('oom-profile', { setup: uncut })).filter((step) => step.startsWith('max_num_batched_tokens'))).toEqual([]);
});

test('a flag that this engine does not know is passed over', () => {
  const knownFlags = new Set(['--max-num-seqs', '--max-num-batched-tokens', '--gpu-memory-utilization', '--enforce-eager']);
  expect(inShort(descend('oom-graph', { limits: { knownFlags } }))).toEqual(['gpu_memory_utilization=0.89', 'enforce_eager=true']);
});

/** What plays a part in which class; nothing else may be touched. */
const KNOBS: Readonly<Partial<Record<FailureClass, readonly string[]>>> = {
  'busy-vram': ['gpu_memory_utilization'],
  'oom-weights': ['language_model_only', 'weights', 'cpu_offload_gb'],
  'oom-sampler': ['max_num_seqs', 'max_num_batched_tokens'],
  'oom-profile': ['max_num_batched_tokens', 'max_num_seqs', 'language_model_only'],
  'kv-too-small': [
    ...['max_model_len', 'max_num_batched_tokens', 'kv_cache_dtype', 'max_cudagraph_capture_size', 'enforce_eager'],
    'gpu_memory_utilization',
  ],
  'oom-kv-zero': [
    ...['max_num_batched_tokens', 'max_num_seqs', 'max_cudagraph_capture_size', 'enforce_eager', 'gpu_memory_utilization', 'weights'],
  ],
  'oom-graph': ['max_cudagraph_capture_size', 'optimization_level', 'gpu_memory_utilization', 'enforce_eager'],
  'oom-runtime': [
    ...['gpu_memory_utilization', 'prompt_logprobs', 'max_num_batched_tokens', 'max_num_seqs', 'PYTORCH_CUDA_ALLOC_CONF'],
    'enforce_eager',
  ],
  'oom-host': ['safetensors_load_strategy', 'mm_processor_cache_gb', 'cpu_offload_gb'],
};

test('whatever the settings, in whatever order failures come: no step twice, none of another class, and every ladder ends', () => {
  const setups = fc.record({
    gpu_memory_utilization: fc.constantFrom(0.8, 0.9, 0.92, 0.95),
    max_num_seqs: fc.constantFrom(2, 16, 64, 256, 1024),
    max_num_batched_tokens: fc.constantFrom(256, 2048, 8192),
    enforce_eager: fc.boolean(),
    max_model_len: fc.constantFrom(1024, 8192, 131_072),
  });
  const evidence = fc.record({
    freeGib: fc.double({ min: 0, max: 16, noNaN: true }),
    fittingModelLen: fc.integer({ min: 0, max: 200_000 }),
  });
  const failures = fc.array(fc.record({ class: fc.constantFrom(...(Object.keys(RUNGS) as FailureClass[])), evidence }), {
    minLength: 1,
    maxLength: 80,
  });
  fc.assert(
    fc.property(setups, failures, fc.boolean(), (engine, all, vision) => {
      const taken: Relaxation[] = [];
      const limits = { ...LIMITS, vision };
      for (const failure of all) {
        const told = { ...failure.evidence, totalGib: 16, patienceOver: true, hostOomKills: 1 };
        const setup = relax({ ...SETUP, engine }, taken);
        const step = nextStep({ class: failure.class, setup, limits, evidence: told, taken });
        if (!step) continue;
        expect(KNOBS[failure.class]).toContain(step.setting);
        expect(step.from).not.toBe(step.to);
        expect(taken.some(({ setting, from, to }) => setting === step.setting && from === step.from && to === step.to)).toBe(false);
        expect(step.reason).toMatch(/^(?:[a-z]|CUDA).{10,}[^.]$/);
        taken.push(step);
      }
      expect(taken.length).toBeLessThan(40);
    }),
    { seed: 3, numRuns: 1000 },
  );
});

test('every class that asks for relaxing has a ladder', () => {
  const asking = new Set(FAILURE_ROWS.filter(({ retry }) => retry === 'relax').map((row) => row.class));
  expect([...asking].filter((name) => !RUNGS[name])).toEqual([]);
  expect(Object.keys(KNOBS).toSorted()).toEqual(Object.keys(RUNGS).toSorted());
});

describe('refusing prompt log-probabilities', () => {
  const steps = descend('oom-runtime').slice(0, 2);

  test('comes first where the share of the card cannot be lowered', () => {
    const tight = { ...SETUP, engine: { ...SETUP.engine, gpu_memory_utilization: 0.76 } };
    expect(inShort(descend('oom-runtime', { setup: tight })).slice(0, 2)).toEqual([
      'prompt_logprobs=refused',
      'max_num_batched_tokens=1024',
    ]);
  });

  test('changes nothing about the engine, and is told to people and to the gateway', () => {
    expect(relax(SETUP, steps)).toEqual(relax(SETUP, steps.slice(0, 1)));
    expect(summarize(steps)[1]).toEqual({ setting: 'prompt_logprobs', from: 'allowed', to: 'refused', reason: steps[1]!.reason });
    expect(refusedFeatures(steps)).toEqual(['prompt_logprobs']);
    expect(refusedFeatures(steps.slice(0, 1))).toEqual([]);
  });

  test('is a step for an engine that knows few flags, and none for a model that generates nothing', () => {
    expect(inShort(descend('oom-runtime', { limits: { knownFlags: new Set() } }))).toContain('prompt_logprobs=refused');
    expect(inShort(descend('oom-runtime', { limits: { generates: false } })).slice(0, 2)).toEqual([
      ...['gpu_memory_utilization=0.89', 'max_num_batched_tokens=1024'],
    ]);
  });

  test.each<[string, EngineSettings, readonly ModelProfile['capabilities'][number][], boolean]>([
    ['a model that chats', {}, ['chat', 'tools'], true],
    ['one that makes embeddings', {}, ['embeddings'], false],
    ['one that is told to pool', { runner: 'pooling' }, ['chat'], false],
  ])('has a meaning for %s as its profile and flags say', (_, engine, capabilities, generates) => {
    const profile = { ...loadProfiles().models.get('llama-3.1-8b-instruct')!, capabilities: [...capabilities] };
    const card = { name: 'a card', memoryGib: 16, computeCap: 8.9, display: false };
    const chosen = { source: 'mine', weightsGib: 5, engine };
    expect(ladderLimits(profile, card, chosen).generates).toBe(generates);
    expect(ladderLimits(null, card, chosen).generates).toBe(engine['runner'] === undefined);
  });

  test('is taken back as the last step is, comes back with its failure, and then stays longer', () => {
    const [hold] = POLICY.climbHoldMs;
    const lived: Footing = { ...LEVEL_GROUND, steps, servedMs: hold! };
    const higher = climb(POLICY, lived);
    expect(higher.change).toBe('restored');
    expect(refusedFeatures(higher.footing.steps)).toEqual([]);
    const { footing: fallen, change } = answer(POLICY, null, higher.footing, {
      failure: oomOf('oom-runtime'),
      servedMs: 0,
      patienceOver: false,
    })!;
    expect(change).toBe('relapsed');
    expect(refusedFeatures(fallen.steps)).toEqual(['prompt_logprobs']);
    expect(climb(POLICY, { ...fallen, servedMs: hold! }).change).toBeNull();
  });
});

test('people are shown one line a setting, from what the profile asks for to what is in force', () => {
  expect(summarize(descend('oom-sampler'))).toMatchObject([
    { setting: 'max_num_seqs', from: '64', to: '4' },
    { setting: 'max_num_batched_tokens', from: '2048', to: '512' },
  ]);
});

import { describe, expect, test } from 'vitest';
import type { Settings, SettingsInput } from '../../../gateway/config/schema/settings.ts';
import { settingsSchema } from '../../../gateway/config/schema/settings.ts';
import { planFleet } from '../../../supervisor/plan/plan.ts';
import type { GpuReading } from '../../../supervisor/gpu/gpu.ts';
import type { GpuProfile, ModelProfile } from '../../../supervisor/profile/profile.ts';
import { loadProfiles, ProfileError } from '../../../supervisor/profile/profile.ts';
import { reading } from '../support/pretend-smi.ts';

const profiles = loadProfiles();
const PLACE = { cwd: '/srv', env: {}, stateDir: '/srv/.headgate' };

function settings(input: SettingsInput): Settings {
  return settingsSchema.parse(input);
}

function gpu(index: number): GpuReading {
  return reading('NVIDIA L4', 23034, 8.9, { index, uuid: `GPU-${index}` });
}

function args(plan: ReturnType<typeof planFleet>, worker = 0): readonly string[] {
  const planned = plan.workers[worker]!.spec.plan(18_000, 'mark');
  return planned.kind === 'run' ? planned.launch.args : [];
}

describe('without any settings', () => {
  test('and without a GPU, the simulated engine runs a small model', () => {
    const plan = planFleet(settings({}), profiles, [], PLACE);
    expect(plan).toMatchObject({ decision: { engine: 'sim' }, profile: { name: 'none' }, tuning: { name: 'balanced' } });
    expect(plan.models).toEqual([
      {
        id: 'qwen2.5-1.5b-instruct-awq',
        aliases: [],
        source: 'Qwen/Qwen2.5-1.5B-Instruct-AWQ',
        capabilities: ['chat', 'tools'],
        maxModelLen: 32768,
        fit: null,
      },
    ]);
    const planned = plan.workers[0]!.spec.plan(18_000, 'mark');
    expect(planned).toMatchObject({
      launch: { file: process.execPath, argv: [expect.stringMatching(/sim\/main\.ts$/), 'serve', ...args(plan)] },
    });
  });

  test('a GPU gets the model of its profile', () => {
    const plan = planFleet(settings({ supervisor: { engine: 'vllm' } }), profiles, [gpu(0)], PLACE);
    expect(plan.models[0]).toMatchObject({ id: 'llama-3.1-8b-instruct', source: 'RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8' });
    expect(plan.workers[0]).toMatchObject({ gpuUuids: ['GPU-0'], utilization: 0.92 });
  });
});

describe('models', () => {
  test('the first is run, the others are known', () => {
    const plan = planFleet(settings({ models: [{ id: 'mistral-7b-instruct', aliases: ['gpt-4o'] }, 'gpt-oss-20b'] }), profiles, [], PLACE);
    expect(plan.models.map(({ id, aliases }) => [id, aliases])).toEqual([
      ['mistral-7b-instruct', ['gpt-4o']],
      ['gpt-oss-20b', []],
    ]);
    expect(plan.workers.map(({ spec }) => spec.modelId)).toEqual(['mistral-7b-instruct']);
  });

  test('a pool is launched by nobody, also where it is the first; its members are', () => {
    const pool = { id: 'chat', pool: ['mistral-7b-instruct', 'gpt-oss-20b'] };
    const plan = planFleet(settings({ models: [pool, 'mistral-7b-instruct', 'gpt-oss-20b'] }), profiles, [], PLACE);
    expect(plan.models.map(({ id }) => id)).toEqual(['mistral-7b-instruct', 'gpt-oss-20b']);
    expect(plan.workers.map(({ spec }) => spec.modelId)).toEqual(['mistral-7b-instruct']);
  });

  test('that a worker may change to are planned for its own GPUs, those that cannot run with the reason', () => {
    const models = ['mistral-7b-instruct', 'gpt-oss-20b', 'qwen2.5-1.5b-instruct-awq'];
    const [worker] = planFleet(settings({ models, supervisor: { profile: 't4' } }), profiles, [], PLACE).workers;
    expect([...worker!.models.keys()]).toEqual(models);
    expect(worker!.models.get('mistral-7b-instruct')?.spec).toBe(worker!.spec);
    expect([...worker!.models.values()].map(({ refusal }) => refusal)).toEqual([null, expect.stringContaining('8.0'), null]);
    const prints = new Set([...worker!.models.values()].map(({ spec }) => spec.fingerprint));
    expect(prints.size).toBe(3);
    // Their processes may live at the same time, and none may be taken for another's.
    expect(new Set([...worker!.models.values()].map(({ spec }) => spec.instancePrefix)).size).toBe(3);
    for (const { spec } of worker!.models.values()) expect(spec.id).toBe('worker-1');
  });

  test('take as many cards as they need when their worker is alone, and its own beside others', () => {
    const large = { id: 'large', source: 'acme/large', engine: { tensor_parallel_size: 2 } };
    const plan = (replicas: number) =>
      planFleet(
        settings({ models: ['mistral-7b-instruct', large], supervisor: { replicas, engine: 'vllm' } }),
        profiles,
        [gpu(0), gpu(1)],
        PLACE,
      );
    expect(plan(1).workers[0]).toMatchObject({ gpuUuids: ['GPU-0'] });
    expect(plan(1).workers[0]!.models.get('large')).toMatchObject({ gpuUuids: ['GPU-0', 'GPU-1'] });
    expect(plan(2).workers[1]!.models.get('large')).toMatchObject({ gpuUuids: ['GPU-1'], refusal: expect.stringContaining('2 GPUs') });
  });

  test('stay as long as their own profile says, else that of the GPU', () => {
    const own = { ...profiles.models.get('mistral-7b-instruct')!, swap: { strategy: 'cold' as const, dwell_ms: 5, idle_unload_ms: null } };
    const none = { ...profiles.gpus.get('none')!, swap: { strategy: 'cold' as const, dwell_ms: 7, idle_unload_ms: 9, max_asleep: 1 } };
    const changed = {
      ...profiles,
      models: new Map<string, ModelProfile>([...profiles.models, [own.name, own]]),
      gpus: new Map<string, GpuProfile>([...profiles.gpus, ['none', none]]),
    };
    const models = ['mistral-7b-instruct', 'qwen2.5-1.5b-instruct-awq'];
    const [worker] = planFleet(settings({ models }), changed, [], PLACE).workers;
    expect([...worker!.models.values()].map(({ swap }) => swap)).toEqual([
      { sleep: null, dwellMs: 5, idleUnloadMs: null, hindrance: null },
      { sleep: null, dwellMs: 7, idleUnloadMs: 9, hindrance: null },
    ]);
  });

  test('that sleep get the flag and the environment for it, and leave room for each other', () => {
    const two = (strategy: 'cold' | 'sleep', dwell: number | null = null): SettingsInput => ({
      models: ['mistral-7b-instruct', { id: 'qwen2.5-1.5b-instruct-awq', swap: { strategy, dwell_ms: dwell } }],
      supervisor: { profile: 'rtx-a4000' },
    });
    const plans = (input: SettingsInput) =>
      [...planFleet(settings(input), profiles, [], PLACE).workers[0]!.models.values()].map(({ spec, utilization, swap }) => {
        const plan = spec.plan(18_000, 'x');
        if (plan.kind === 'refused') throw new Error(plan.reason);
        const { args, env } = plan.launch;
        return { sleeps: args.includes('--enable-sleep-mode'), mode: env['VLLM_SERVER_DEV_MODE'], utilization, swap };
      });
    const cold = { sleeps: false, mode: undefined };
    expect(plans(two('cold'))).toMatchObject([{ ...cold, utilization: 0.92 }, cold]);
    // Beside the second the first may find it asleep; the second never finds any.
    expect(plans(two('sleep'))).toMatchObject([
      { ...cold, utilization: 0.88, swap: { sleep: null, dwellMs: undefined } },
      { sleeps: true, mode: '1', swap: { sleep: 1, dwellMs: 5000 } },
    ]);
    expect(plans(two('sleep', 70))[1]).toMatchObject({ swap: { dwellMs: 70 } });
    // Alone it makes room for whoever its card is lent to.
    const [, second] = two('sleep').models!;
    expect(plans({ ...two('sleep'), models: [second!] })).toMatchObject([{ sleeps: true, mode: '1' }]);
  });

  test('that are to sleep in a vLLM that cannot end instead', () => {
    const input: SettingsInput = { models: ['mistral-7b-instruct', { id: 'qwen2.5-1.5b-instruct-awq', swap: { strategy: 'sleep' } }] };
    const vllm = { path: '/bin/vllm', version: '0.20.0', cuda: null, cpu: false, flags: new Set(['--max-num-seqs', '--max-model-len']) };
    const [worker] = planFleet(settings({ ...input, supervisor: { engine: 'vllm' } }), profiles, [gpu(0)], { ...PLACE, vllm }).workers;
    expect([...worker!.models.values()].map(({ swap }) => swap.sleep)).toEqual([null, null]);
  });

  test('of the operator’s own need a source, and their flags are passed on', () => {
    const own = { id: 'mine', source: 'acme/mine', engine: { max_num_seqs: 3 } };
    const plan = planFleet(settings({ models: [own] }), profiles, [], PLACE);
    expect(args(plan)).toEqual(expect.arrayContaining(['acme/mine', '--served-model-name', 'mine', '--max-num-seqs', '3']));
  });

  test('that nobody knows are an error with the nearest name', () => {
    expect(() => planFleet(settings({ models: ['mistral-7b-instrukt'] }), profiles, [], PLACE)).toThrow(ProfileError);
    expect(() => planFleet(settings({ models: ['mistral-7b-instrukt'] }), profiles, [], PLACE)).toThrow(/did you mean mistral-7b-instruct/);
  });

  test('that a card cannot run are refused at their start, with the reason, and not at ours', () => {
    const plan = planFleet(settings({ models: ['gpt-oss-20b'], supervisor: { profile: 't4' } }), profiles, [], PLACE);
    expect(plan.workers[0]!.spec.plan(18_000, 'mark')).toEqual({ kind: 'refused', reason: expect.stringContaining('8.0') });
  });
});

describe('settings of an engine', () => {
  const planned = (engine: Record<string, number | string>) => {
    const models = [{ id: 'mistral-7b-instruct', engine }];
    return planFleet(settings({ models, supervisor: { engine: 'vllm' } }), profiles, [gpu(0)], PLACE);
  };

  test.each(['port', 'host', 'served-model-name', 'api_key', 'model'])('that Headgate itself sets (%s) are refused', (key) => {
    const plan = planned({ [key]: 'x' });
    expect(plan.workers[0]!.refusal).toMatch(`Headgate itself sets --${key.replaceAll('_', '-')}`);
    expect(plan.choices[0]).toMatchObject({ kind: 'refused' });
  });

  test.each([90, 0, -0.5, 'much'])('that ask for a share of the card that is none (%s) are refused before a start', (share) => {
    expect(planned({ gpu_memory_utilization: share }).workers[0]!.refusal).toMatch(/is a share .* above 0 and at most 1, not/);
    expect(planned({ 'gpu-memory-utilization': share }).workers[0]!.refusal).toMatch(/is a share/);
    expect(planned({ gpu_memory_utilization: 0.8 }).workers[0]!.refusal).toBeNull();
  });

  test('that want more GPUs than there are are refused before a start', () => {
    const plan = planned({ tensor_parallel_size: 4 });
    expect(plan.workers[0]!.refusal).toBe('It needs 4 GPUs, and there is 1 for its worker.');
    expect(plan.choices[0]).toMatchObject({ kind: 'refused' });
  });
});

describe('replicas', () => {
  test('go to GPUs of their own', () => {
    const plan = planFleet(settings({ supervisor: { replicas: 2, engine: 'vllm' } }), profiles, [gpu(0), gpu(1)], PLACE);
    expect(plan.workers.map(({ spec, gpuUuids, utilization }) => [spec.id, gpuUuids[0], utilization])).toEqual([
      ['worker-1', 'GPU-0', 0.92],
      ['worker-2', 'GPU-1', 0.92],
    ]);
  });

  test('that have to share a GPU divide its memory', () => {
    const plan = planFleet(settings({ supervisor: { replicas: 3, engine: 'vllm' } }), profiles, [gpu(0), gpu(1)], PLACE);
    expect(plan.workers.map(({ gpuUuids, utilization }) => [gpuUuids[0], utilization])).toEqual([
      ['GPU-0', 0.46],
      ['GPU-1', 0.92],
      ['GPU-0', 0.46],
    ]);
    expect(args(plan)).toEqual(expect.arrayContaining(['--gpu-memory-utilization', '0.46']));
  });

  test('that share a GPU get weights that fit their part of it, or none', () => {
    const card = () => reading('NVIDIA GeForce RTX 4080', 16376, 8.9);
    const on = (id: string, replicas: number) =>
      planFleet(settings({ models: [id], supervisor: { replicas, engine: 'vllm' } }), profiles, [card()], PLACE);
    const [alone, shared] = [on('llama-3.1-8b-instruct', 1), on('llama-3.1-8b-instruct', 2)];
    expect(alone.workers[0]!.spec).toMatchObject({ source: expect.stringContaining('FP8'), wanted: { limits: { maxUtilization: 0.95 } } });
    for (const { spec, utilization } of shared.workers) {
      expect(utilization).toBeLessThanOrEqual(0.47);
      expect(spec.weightsGib).toBeLessThan(6);
      expect(spec.wanted!.limits).toMatchObject({ maxUtilization: 0.475, share: 0.5 });
    }
    expect(shared.models[0]!.source).toBe(shared.workers[0]!.spec.source);
    const [refused] = on('qwen2.5-14b-instruct', 2).workers;
    expect(refused!.refusal).toMatch(/does not fit this GPU .* Choose /);
  });

  test('that share a GPU each get the share that the operator has set, where all can have it', () => {
    const utilizations = [0.3, 0.9].map((share) => {
      const models = [{ id: 'qwen2.5-1.5b-instruct-awq', engine: { gpu_memory_utilization: share } }];
      return planFleet(settings({ models, supervisor: { replicas: 2, engine: 'vllm' } }), profiles, [gpu(0)], PLACE).workers[1]!
        .utilization;
    });
    expect(utilizations).toEqual([0.3, 0.45]);
  });

  test('of a model that is spread over several GPUs get as many each', () => {
    const models = [{ id: 'mistral-7b-instruct', engine: { tensor_parallel_size: 2 } }];
    const gpus = [gpu(0), gpu(1), gpu(2), gpu(3)];
    const plan = planFleet(settings({ models, supervisor: { replicas: 2, engine: 'vllm' } }), profiles, gpus, PLACE);
    expect(plan.workers.map(({ gpuUuids, utilization }) => [gpuUuids, utilization])).toEqual([
      [['GPU-0', 'GPU-1'], 0.92],
      [['GPU-2', 'GPU-3'], 0.92],
    ]);
    expect(plan.workers[1]!.spec.plan(18_000, 'mark')).toMatchObject({ launch: { env: { CUDA_VISIBLE_DEVICES: 'GPU-2,GPU-3' } } });
  });

  test('of the simulated engine neither share nor wait for the real card', () => {
    const plan = planFleet(settings({ supervisor: { replicas: 2, engine: 'sim' } }), profiles, [gpu(0)], PLACE);
    expect(plan.workers.map(({ gpuUuids, utilization }) => [gpuUuids, utilization])).toEqual([
      [[], 0.92],
      [[], 0.92],
    ]);
    expect(plan.workers[0]!.spec.plan(18_000, 'mark')).toMatchObject({ launch: { env: { SIM_GPU: 'l4' } } });
  });

  test('carry marks of their own', () => {
    const plan = planFleet(settings({ supervisor: { replicas: 11 } }), profiles, [], PLACE);
    const [first] = plan.workers;
    for (const { spec } of plan.workers.slice(1)) expect(`${spec.instancePrefix}1`.startsWith(first!.spec.instancePrefix)).toBe(false);
  });
});

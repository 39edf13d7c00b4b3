import { describe, expect, test } from 'vitest';
import type { SettingsInput } from '../../../gateway/config/schema/settings.ts';
import { settingsSchema } from '../../../gateway/config/schema/settings.ts';
import type { GpuReading } from '../../../supervisor/gpu/gpu.ts';
import { describeWorkers, unusedCards } from '../../../supervisor/plan/log.ts';
import type { FleetPlan, Surroundings } from '../../../supervisor/plan/plan.ts';
import { planFleet } from '../../../supervisor/plan/plan.ts';
import { loadProfiles } from '../../../supervisor/profile/profile.ts';
import { reading } from '../support/pretend-smi.ts';

const profiles = loadProfiles();
const MIB = 2 ** 20;

const T4 = reading('Tesla T4', 15360, 7.5, { index: 0, uuid: 'GPU-t4' });
const RTX = reading('NVIDIA GeForce RTX 3060', 12288, 8.6, { index: 1, uuid: 'GPU-3060' });
const [L4, L4_TOO] = [0, 1].map((index) => reading('NVIDIA L4', 23034, 8.9, { index, uuid: `GPU-l4-${index}` })) as [
  GpuReading,
  GpuReading,
];

function plan(gpus: readonly GpuReading[], settings: SettingsInput, more: Partial<Surroundings> = {}): FleetPlan {
  const parsed = settingsSchema.parse({ ...settings, supervisor: { engine: 'vllm', ...settings.supervisor } });
  return planFleet(parsed, profiles, gpus, { cwd: '/srv', env: {}, stateDir: '/srv/.headgate', ...more });
}

/** Each worker's profile, and its models with their cards; a model that cannot run there has none. */
function places({ workers }: FleetPlan) {
  return workers.map(({ spec, models }) => ({
    profile: spec.profile,
    ...Object.fromEntries([...models].map(([id, { gpuUuids, refusal }]) => [id, refusal === null ? gpuUuids.join('+') : null])),
  }));
}

const [SMALL, MISTRAL, GEMMA, OSS] = ['qwen2.5-1.5b-instruct-awq', 'mistral-7b-instruct', 'gemma-3-12b-it', 'gpt-oss-20b'] as const;

describe('a T4 beside a 3060', () => {
  test('both serve, each model with what its own card wants', () => {
    const both = plan([T4, RTX], { models: [MISTRAL, SMALL] });
    expect(places(both)).toEqual([
      { profile: 't4', [MISTRAL]: 'GPU-t4' },
      { profile: 'rtx-3060', [SMALL]: 'GPU-3060' },
    ]);
    const args = both.workers.map(({ spec }) => {
      const planned = spec.plan(18_000, 'mark');
      return planned.kind === 'run' ? `${planned.launch.args.join(' ')} on ${planned.launch.env['CUDA_VISIBLE_DEVICES']}` : planned.reason;
    });
    expect(args[0]).toMatch(/--dtype half .* on GPU-t4$/);
    expect(args[1]).toMatch(/--max-model-len 32768.* on GPU-3060$/);
    expect(args[1]).not.toContain('--dtype half');
    expect(both.unused).toEqual([]);
    expect(describeWorkers(both)).toBe(`1 × ${MISTRAL} on GPU 0; 1 × ${SMALL} on GPU 1`);
  });

  test('a model that one of them cannot run goes to the other, whatever the order', () => {
    for (const models of [
      [SMALL, GEMMA],
      [GEMMA, SMALL],
    ])
      expect(Object.assign({}, ...places(plan([T4, RTX], { models })))).toMatchObject({ [SMALL]: 'GPU-t4', [GEMMA]: 'GPU-3060' });
  });

  test('a model that neither can run is refused with what each has against it', () => {
    const refused = plan([T4, RTX], { models: [SMALL, OSS] });
    const [, choice] = refused.choices;
    expect(choice).toMatchObject({ kind: 'refused', reason: expect.stringMatching(/\(NVIDIA GeForce RTX 3060\).*\(Tesla T4\).*8\.0/) });
    expect((choice as { reason: string }).reason.match(/Choose /g)).toHaveLength(1);
    expect(refused.workers[0]!.spec.modelId).toBe(SMALL);
  });

  test('one model leaves one of them idle, which is said', () => {
    const one = plan([T4, RTX], { models: [MISTRAL] });
    expect(unusedCards(one).map(({ fact }) => fact)).toEqual([expect.stringContaining('GPU 1 (NVIDIA GeForce RTX 3060) is not used')]);
  });

  test('replicas go to both, three models take turns on one of them', () => {
    expect(places(plan([T4, RTX], { models: [SMALL], supervisor: { replicas: 2 } }))).toEqual([
      { profile: 't4', [SMALL]: 'GPU-t4' },
      { profile: 'rtx-3060', [SMALL]: 'GPU-3060' },
    ]);
    const three = plan([T4, RTX], { models: [MISTRAL, SMALL, 'llama-3.1-8b-instruct'] });
    expect(three.workers.map(({ models }) => models.size)).toEqual([2, 1]);
    expect(describeWorkers(three)).toContain('in turns with llama-3.1-8b-instruct');
  });

  test('a profile that the settings name goes for both', () => {
    expect(places(plan([T4, RTX], { models: [MISTRAL, SMALL], supervisor: { profile: 't4' } })).map(({ profile }) => profile)).toEqual([
      't4',
      't4',
    ]);
  });
});

describe('supervisor.placement', () => {
  const placed = (placement: Record<string, (number | string)[]>, models: string[] = [MISTRAL, SMALL]) =>
    plan([T4, RTX], { models, supervisor: { placement } });

  test('puts a model on the GPU that it names, by index or by the beginning of its id, and the others around it', () => {
    for (const gpu of [1, 'GPU-3060', 'GPU-30'])
      expect(places(placed({ [MISTRAL]: [gpu] }))).toEqual([
        { profile: 'rtx-3060', [MISTRAL]: 'GPU-3060' },
        { profile: 't4', [SMALL]: 'GPU-t4' },
      ]);
  });

  test('makes models take turns that it puts on the same', () => {
    const both = placed({ [MISTRAL]: [0], [SMALL]: [0] });
    expect(places(both)).toEqual([{ profile: 't4', [MISTRAL]: 'GPU-t4', [SMALL]: 'GPU-t4' }]);
    expect(both.unused).toEqual([RTX]);
  });

  test('refuses a model whose GPUs are not there or cannot run it, and says which there are', () => {
    expect(placed({ [SMALL]: [7] }).choices[1]).toEqual({
      kind: 'refused',
      reason: `supervisor.placement puts ${SMALL} on GPU 7, and there are 0 (Tesla T4), 1 (NVIDIA GeForce RTX 3060).`,
    });
    const gemma = placed({ [GEMMA]: [0] }, [SMALL, GEMMA]);
    expect(gemma.choices[1]).toMatchObject({ kind: 'refused', reason: expect.stringContaining('bfloat16') });
    expect(places(gemma)[0]).toMatchObject({ [GEMMA]: null });
  });

  test('spreads a model over the GPUs that it names, and no others', () => {
    const models = [{ id: 'mistral-7b-instruct', engine: { tensor_parallel_size: 2 } }, SMALL];
    const three = [L4, L4_TOO, { ...L4, index: 2, uuid: 'GPU-l4-2' }];
    const on = plan(three, { models, supervisor: { placement: { [MISTRAL]: [1, 2] } } });
    expect(places(on)).toEqual([
      { profile: 'l4', [MISTRAL]: 'GPU-l4-1+GPU-l4-2' },
      { profile: 'l4', [SMALL]: 'GPU-l4-0' },
    ]);
  });
});

describe('company on a card', () => {
  const held = (gpu: GpuReading, freeMib: number): GpuReading => ({ ...gpu, memoryFreeBytes: freeMib * MIB });

  test('puts it behind one that is idle', () => {
    expect(places(plan([held(L4, 12_000), held(L4_TOO, 22_000)], { models: [SMALL] }))).toEqual([{ profile: 'l4', [SMALL]: 'GPU-l4-1' }]);
    expect(places(plan([{ ...L4, display: true }, L4_TOO], { models: [SMALL] }))).toEqual([{ profile: 'l4', [SMALL]: 'GPU-l4-1' }]);
  });

  test('that leaves enough is no reason to take turns, and one that leaves too little is', () => {
    const models = [SMALL, MISTRAL];
    expect(places(plan([held(L4, 12_000), held(L4_TOO, 22_000)], { models }))).toHaveLength(2);
    expect(places(plan([held(L4, 1000), held(L4_TOO, 22_000)], { models }))).toEqual([
      { profile: 'l4', [SMALL]: 'GPU-l4-1', [MISTRAL]: 'GPU-l4-1' },
    ]);
  });

  test('is none where it is an engine of our own, which stays where it is', () => {
    const gpus = [held(L4, 22_000), held(L4_TOO, 1000)];
    const running = [{ worker: 'worker-1', model: SMALL, gpuUuids: ['GPU-l4-1'] }];
    expect(places(plan(gpus, { models: [SMALL] }, { running }))).toEqual([{ profile: 'l4', [SMALL]: 'GPU-l4-1' }]);
    const before = plan([L4, L4_TOO], { models: [SMALL], supervisor: { placement: { [SMALL]: [1] } } });
    const after = plan(gpus, { models: [SMALL] }, { running });
    expect(after.workers[0]!.spec.fingerprint).toBe(before.workers[0]!.spec.fingerprint);
  });

  test('a card that is out of order has no part in it', () => {
    expect(places(plan([{ ...L4, fault: 'the driver cannot read it' }, L4_TOO], { models: [SMALL, MISTRAL] }))).toHaveLength(1);
  });

  test('the model of a machine whose settings name none is that of its first idle card', () => {
    expect(plan([held(T4, 1000), RTX], {}).models[0]!.id).toBe(profiles.gpus.get('rtx-3060')!.default_model);
    expect(plan([T4, RTX], {}).models[0]!.id).toBe(profiles.gpus.get('t4')!.default_model);
  });
});

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { chooseEngine } from '../../supervisor/engine-settings.ts';
import type { EngineSettings, GpuProfile, ModelProfile, Tuning } from '../../supervisor/profile.ts';
import { loadProfiles, ProfileError } from '../../supervisor/profile.ts';
import { scratchFolder } from './support/scratch.ts';

const profiles = loadProfiles();
const RECORDED_FLAGS = fileURLToPath(new URL('../../../shared/vllm-recordings/vllm-serve-flags-017e9f4.json', import.meta.url));

function choose(model: ModelProfile, gpu: GpuProfile, tuning: Tuning, display = false) {
  const card = { memoryGib: gpu.memory_gib, computeCap: gpu.compute_cap, display };
  return chooseEngine({ id: model.name, source: null, profile: model, engine: {} }, gpu, tuning, card);
}

const combinations = [...profiles.models.values()].flatMap((model) =>
  [...profiles.gpus.values()].flatMap((gpu) =>
    [...profiles.tunings.values()].map((tuning) => [model.name, gpu.name, tuning.name, { model, gpu, tuning }] as const),
  ),
);

describe('the profiles that come with it', () => {
  test('are all valid and cover the promised cards, tunings and models', () => {
    expect([...profiles.gpus.keys()]).toEqual(expect.arrayContaining(['t4', 'l4', 'rtx-a4000', 'rtx-3060', 'rtx-4080', 'none']));
    expect([...profiles.tunings.keys()].toSorted()).toEqual(['aggressive', 'balanced', 'latency', 'safe', 'throughput']);
    expect(profiles.models.size).toBeGreaterThanOrEqual(6);
  });

  test.each(combinations)('give %s on %s, %s, settings that vLLM accepts', (_model, _gpu, _tuning, { model, gpu, tuning }) => {
    const choice = choose(model, gpu, tuning);
    if (choice.kind === 'refused') return expect(choice.reason.length).toBeGreaterThan(20);
    const number = (key: string) => choice.engine[key] as number;
    expect(number('max_num_seqs')).toBeGreaterThanOrEqual(1);
    expect(number('max_num_batched_tokens')).toBeGreaterThanOrEqual(number('max_num_seqs'));
    expect(number('max_model_len')).toBeLessThanOrEqual(model.max_context);
    const utilization = choice.engine['gpu_memory_utilization'] ?? 0.92;
    expect(utilization).toBeGreaterThan(0.5);
    expect(utilization).toBeLessThanOrEqual(0.98);
    for (const key of ['max_num_seqs', 'max_num_batched_tokens', 'max_model_len']) expect(Number.isInteger(number(key))).toBe(true);
  });

  test('every default model can run on its card', () => {
    const balanced = profiles.tunings.get('balanced')!;
    for (const gpu of profiles.gpus.values()) expect(choose(profiles.models.get(gpu.default_model)!, gpu, balanced).kind).toBe('run');
  });

  test('the weights that are chosen fit the card', () => {
    const balanced = profiles.tunings.get('balanced')!;
    for (const gpu of profiles.gpus.values())
      for (const model of profiles.models.values()) {
        const choice = choose(model, gpu, balanced);
        if (choice.kind === 'run' && gpu.memory_gib !== null) expect(choice.weightsGib!).toBeLessThan(gpu.memory_gib * 0.9);
      }
  });

  test('a T4 refuses Gemma 3 and gpt-oss and says what to take instead', () => {
    const t4 = profiles.gpus.get('t4')!;
    const balanced = profiles.tunings.get('balanced')!;
    for (const name of ['gemma-3-12b-it', 'gpt-oss-20b'])
      expect(choose(profiles.models.get(name)!, t4, balanced)).toEqual({ kind: 'refused', reason: expect.stringContaining('Choose') });
    const own = { id: 'mine', source: 'someone/gemma-3-4b-awq', profile: null, engine: {} };
    expect(chooseEngine(own, t4, balanced, { memoryGib: 14.56, computeCap: 7.5, display: false })).toMatchObject({ kind: 'refused' });
  });

  const recorded = existsSync(RECORDED_FLAGS);
  describe.skipIf(!recorded)(
    `against the recorded flags of vllm serve${recorded ? '' : ' (skipped: the recordings are not beside this checkout)'}`,
    () => {
      test('every engine setting of every profile is a flag', () => {
        const flags = new Set((JSON.parse(readFileSync(RECORDED_FLAGS, 'utf8')) as { flags: string[] }[]).flatMap((entry) => entry.flags));
        const used: EngineSettings[] = [
          ...[...profiles.gpus.values()].flatMap((gpu) => [gpu.engine, gpu.with_display]),
          ...[...profiles.models.values()].flatMap((model) => [
            model.engine,
            ...Object.values(model.on).map((on) => ('engine' in on ? on.engine : {})),
          ]),
          ...[...profiles.tunings.values()].map((tuning) => tuning.engine as EngineSettings),
        ];
        for (const key of used.flatMap((engine) => Object.keys(engine))) expect(flags).toContain(`--${key.replaceAll('_', '-')}`);
      });
    },
  );
});

describe('a layer', () => {
  const gpu = profiles.gpus.get('rtx-4080')!;
  const model = profiles.models.get('llama-3.1-8b-instruct')!;
  const tuning = (name: string) => profiles.tunings.get(name)!;

  test('of a display makes room for the desktop', () => {
    expect(choose(model, gpu, tuning('balanced'), true)).toMatchObject({ engine: { gpu_memory_utilization: 0.9 } });
    expect(choose(model, gpu, tuning('balanced'), false)).toMatchObject({ engine: { gpu_memory_utilization: 0.92 } });
  });

  test('of a tuning changes what the profiles say, relative to it', () => {
    expect(choose(model, gpu, tuning('safe'))).toMatchObject({
      engine: { gpu_memory_utilization: 0.89, max_num_seqs: 8, max_num_batched_tokens: 1024, max_cudagraph_capture_size: 8 },
    });
    expect(choose(model, gpu, tuning('throughput'))).toMatchObject({ engine: { max_num_seqs: 32, max_num_batched_tokens: 2048 } });
    expect(choose(model, profiles.gpus.get('l4')!, tuning('throughput'))).toMatchObject({ engine: { max_num_batched_tokens: 4096 } });
  });

  test('of the operator beats them all', () => {
    const asked = { id: model.name, source: '/models/mine', profile: model, engine: { max_num_seqs: 3, enforce_eager: true } };
    const choice = chooseEngine(asked, gpu, tuning('throughput'), { memoryGib: 15.57, computeCap: 8.9, display: false });
    expect(choice).toMatchObject({ source: '/models/mine', weightsGib: null, engine: { max_num_seqs: 3, enforce_eager: true } });
  });

  test('of an unlisted card takes the largest weights that fit it', () => {
    const on = (memoryGib: number, computeCap: number) =>
      chooseEngine({ id: model.name, source: null, profile: model, engine: {} }, profiles.gpus.get('generic')!, tuning('balanced'), {
        memoryGib,
        computeCap,
        display: false,
      });
    expect(on(79, 9)).toMatchObject({ source: 'meta-llama/Llama-3.1-8B-Instruct' });
    expect(on(15.5, 8.6)).toMatchObject({ source: 'RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8' });
    expect(on(10, 8.6)).toMatchObject({ source: 'hugging-quants/Meta-Llama-3.1-8B-Instruct-AWQ-INT4' });
  });
});

describe('a profile that is wrong', () => {
  function folderWith(file: string, text: string): string {
    const folder = scratchFolder();
    for (const name of ['gpu', 'tuning', 'models']) mkdirSync(join(folder, name));
    writeFileSync(join(folder, file), text);
    return folder;
  }

  test('is named with its file and what is wrong in it', () => {
    const folder = folderWith('tuning/odd.yaml', 'title: Odd\nengine:\n  max_num_seqs: { multiply: 2 }\n');
    expect(() => loadProfiles(folder)).toThrow(ProfileError);
    expect(() => loadProfiles(folder)).toThrow(/odd\.yaml.*max_num_seqs/s);
  });

  test('is named with the line where it is not YAML', () => {
    expect(() => loadProfiles(folderWith('gpu/odd.yaml', 'title: [\n'))).toThrow(/odd\.yaml.*line 2/s);
  });

  test('is refused when it names a model that is not there', () => {
    const gpu = 'title: X\nmatch: null\ncompute_cap: null\nmemory_gib: null\ndefault_model: nothing\nengine: {}\n';
    expect(() => loadProfiles(folderWith('gpu/x.yaml', gpu))).toThrow(/there is no model nothing/);
  });
});

import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { chooseEngine } from '../../../supervisor/plan/engine-choice.ts';
import { batchDefaults, DEFAULT_UTILIZATION } from '../../../supervisor/fit/flags.ts';
import { quantization } from '../../../supervisor/profile/quantizations.ts';
import { weightsGib } from '../support/computed-weights.ts';
import { problemText } from '../../../gateway/config/schema/problems.ts';
import type { EngineSettings, GpuProfile } from '../../../supervisor/profile/profile.ts';
import { loadProfiles, ProfileError, profilesDirectory } from '../../../supervisor/profile/profile.ts';
import { profileJsonSchemas } from '../../../supervisor/profile/json-schema.ts';
import { withSteps } from '../../../supervisor/profile/match.ts';
import { findGpu } from '../../../supervisor/sim/card/find-gpu.ts';
import { scratchFolder } from '../support/scratch.ts';

const profiles = loadProfiles();
const RECORDED_FLAGS = fileURLToPath(new URL('../../../../shared/vllm-recordings/vllm-serve-flags-017e9f4.json', import.meta.url));

/** Cards that fit a profile which does not say which card it is for. */
const EXAMPLES: Readonly<Record<string, { readonly memoryGib: number; readonly computeCap: number }>> = {
  '4gb': { memoryGib: 3.65, computeCap: 7.5 },
  generic: { memoryGib: 11.5, computeCap: 8.6 },
};

function facts(gpu: GpuProfile) {
  const { memoryGib = gpu.memory_gib, computeCap = gpu.compute_cap } = EXAMPLES[gpu.name] ?? {};
  return { memoryGib, computeCap };
}

const combinations = [...profiles.models.values()].flatMap((model) =>
  [...profiles.gpus.values()].flatMap((gpu) =>
    [...profiles.tunings.values()].map((tuning) => [model.name, gpu.name, tuning.name, { model, gpu, tuning }] as const),
  ),
);

describe('the profiles that come with it', () => {
  test('cover the promised cards, tunings and models', () => {
    const cards = [
      't4',
      'l4',
      'rtx-a4000',
      'rtx-3060',
      'rtx-4080',
      'rtx-3090',
      'rtx-4090',
      'a10',
      'l40s',
      'a100-40',
      'a100-80',
      'h100',
      'h200',
    ];
    expect([...profiles.gpus.keys()]).toEqual(expect.arrayContaining([...cards, 'rtx-5080', 'rtx-5090', '4gb', 'generic', 'none']));
    expect([...profiles.tunings.keys()].toSorted()).toEqual(['aggressive', 'balanced', 'latency', 'safe', 'throughput']);
    const models = ['gemma-3-12b-it', 'gpt-oss-20b', 'mistral-7b-instruct', 'qwen2.5-14b-instruct', 'llama-3.1-8b-instruct'];
    expect([...profiles.models.keys()]).toEqual(expect.arrayContaining([...models, 'qwen2.5-1.5b-instruct-awq']));
  });

  test.each(combinations)(
    'give %s on %s, %s, settings that fit, or the reason why there are none',
    (_model, _gpu, _tuning, { model, gpu, tuning }) => {
      const card = { name: gpu.title, ...facts(gpu), display: false, count: 1 };
      const resolved = withSteps(gpu, { ...facts(gpu), vllmVersion: null });
      const choice = chooseEngine({ id: model.name, source: null, profile: model, engine: {} }, resolved, tuning, card);
      if (choice.kind === 'refused') return expect(choice.reason.length).toBeGreaterThan(20);
      const number = (key: string) => choice.engine[key] as number;
      expect(number('max_num_seqs')).toBeGreaterThanOrEqual(1);
      expect(number('max_num_batched_tokens')).toBeGreaterThanOrEqual(number('max_num_seqs'));
      expect(number('max_model_len')).toBeLessThanOrEqual(model.max_context);
      const utilization = choice.engine['gpu_memory_utilization'] ?? DEFAULT_UTILIZATION;
      expect(utilization).toBeGreaterThan(0.5);
      expect(utilization).toBeLessThanOrEqual(0.98);
      for (const key of ['max_num_seqs', 'max_num_batched_tokens', 'max_model_len']) expect(Number.isInteger(number(key))).toBe(true);
      if (card.memoryGib !== null) expect(choice.fit?.verdict).toMatch(/fits|tight/);
    },
  );

  test('the default model of every card fits it with room', () => {
    const balanced = profiles.tunings.get('balanced')!;
    for (const gpu of profiles.gpus.values()) {
      const model = profiles.models.get(gpu.default_model)!;
      const card = { name: gpu.title, ...facts(gpu), display: true, count: 1 };
      const choice = chooseEngine({ id: model.name, source: null, profile: model, engine: {} }, gpu, balanced, card);
      expect(choice).toMatchObject({ kind: 'run', fit: card.memoryGib === null ? null : { verdict: 'fits' } });
      // A first start must not ask for a token.
      expect(choice.kind === 'run' && choice.variant?.gated).toBe(false);
    }
  });

  test('say why, for every value of a card that differs from what vLLM takes by itself', () => {
    for (const gpu of profiles.gpus.values()) {
      const { seqs, tokens } = batchDefaults({ memoryGib: facts(gpu).memoryGib ?? 0, computeCap: facts(gpu).computeCap });
      const defaults: EngineSettings = {
        gpu_memory_utilization: DEFAULT_UTILIZATION,
        max_num_seqs: seqs,
        max_num_batched_tokens: tokens,
      };
      const layers = [gpu.engine, gpu.with_display, gpu.multi_gpu.engine, ...gpu.steps.map(({ engine }) => engine)];
      const differing = layers.flatMap((engine) => Object.entries(engine).filter(([key, value]) => defaults[key] !== value));
      const variables = [gpu.env, gpu.multi_gpu.env, ...gpu.steps.map(({ env }) => env)].flatMap(Object.keys);
      const wanted = [...differing.map(([key]) => key), ...variables];
      expect([gpu.name, [...new Set(wanted)].filter((key) => gpu.why[key] === undefined)]).toEqual([gpu.name, []]);
      // And nothing is explained that is not there.
      const known = [...layers.flatMap(Object.keys), ...variables];
      expect([gpu.name, Object.keys(gpu.why).filter((key) => !known.includes(key))]).toEqual([gpu.name, []]);
    }
  });

  test('give weights that agree with the dimensions of the model', () => {
    for (const model of profiles.models.values())
      for (const variant of model.variants) {
        const computed = weightsGib(model.shape, variant.quantization, true);
        expect([model.name, variant.name, Math.abs(variant.weights_gib / computed - 1) < 0.05]).toEqual([model.name, variant.name, true]);
      }
  });

  test('list variants from the largest to the smallest', () => {
    for (const { variants } of profiles.models.values()) {
      const sizes = variants.map(({ weights_gib }) => weights_gib);
      expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
    }
  });

  test('name cards that the simulated engine can play', () => {
    for (const gpu of profiles.gpus.values()) {
      const name = gpu.simulated_as ?? (gpu.memory_gib === null ? undefined : gpu.name);
      expect([name, findGpu(name)]).toEqual([name, expect.objectContaining({})]);
    }
  });

  const recorded = existsSync(RECORDED_FLAGS);
  describe.skipIf(!recorded)(
    `against the recorded flags of vllm serve${recorded ? '' : ' (skipped: the recordings are not beside this checkout)'}`,
    () => {
      test('every engine setting of every profile is a flag', () => {
        const flags = new Set((JSON.parse(readFileSync(RECORDED_FLAGS, 'utf8')) as { flags: string[] }[]).flatMap((entry) => entry.flags));
        const used: EngineSettings[] = [
          ...[...profiles.gpus.values()].flatMap((gpu) => [gpu.engine, gpu.with_display, ...gpu.steps.map(({ engine }) => engine)]),
          ...[...profiles.models.values()].flatMap((model) => [model.engine, ...Object.values(model.on).map((on) => on.engine)]),
          ...[...profiles.tunings.values()].map((tuning) => tuning.engine as EngineSettings),
        ];
        for (const key of used.flatMap((engine) => Object.keys(engine))) expect(flags).toContain(`--${key.replaceAll('_', '-')}`);
      });
    },
  );
});

describe('the schemas for editors', () => {
  test('are those of the code', () => {
    for (const [file, schema] of Object.entries(profileJsonSchemas()))
      expect(JSON.parse(readFileSync(join(profilesDirectory(), file), 'utf8'))).toEqual(JSON.parse(JSON.stringify(schema)));
  });

  test('are named in the first line of every profile', () => {
    for (const [folder, kind] of [
      ['gpu', 'gpu'],
      ['models', 'model'],
      ['tuning', 'tuning'],
    ] as const)
      for (const file of readdirSync(join(profilesDirectory(), folder))) {
        const [first] = readFileSync(join(profilesDirectory(), folder, file), 'utf8').split('\n');
        expect([file, first]).toEqual([file, `# yaml-language-server: $schema=../schema/${kind}.schema.json`]);
      }
  });
});

test('formats that need a plugin or a newer card say so', () => {
  expect(quantization('gguf').plugin).toBe('vllm-gguf-plugin');
  expect(quantization('mxfp4')).toMatchObject({ minComputeCap: 8, bfloat16Only: true });
});

describe('a profile that is wrong', () => {
  function folderWith(file: string, text: string): string {
    const folder = scratchFolder();
    for (const name of ['gpu', 'tuning', 'models']) mkdirSync(join(folder, name));
    writeFileSync(join(folder, file), text);
    return folder;
  }

  const GPU = 'title: X\nmatch: null\ncompute_cap: null\nmemory_gib: null\ndefault_model: m\nengine: {}\n';

  function problemsOf(folder: string): readonly string[] {
    try {
      loadProfiles(folder);
    } catch (error) {
      if (!(error instanceof ProfileError)) throw error;
      expect(error.message).toBe(error.problems.map(problemText).join('\n'));
      return error.problems.map((problem) => problemText(problem).replace(`${folder}/`, ''));
    }
    return [];
  }

  test('is named with its file and what is wrong in it', () => {
    const folder = folderWith('tuning/odd.yaml', 'title: Odd\nengine:\n  max_num_seqs: { multiply: 2 }\n');
    expect(() => loadProfiles(folder)).toThrow(ProfileError);
    expect(() => loadProfiles(folder)).toThrow(/odd\.yaml.*max_num_seqs/s);
  });

  test.each([
    ['a misspelt key', `${GPU}with_dispaly: {}\n`, '7:1: with_dispaly: unknown key; did you mean with_display?'],
    ['a misspelt key further in', `${GPU}swap:\n  dwel_ms: 5\n`, '8:3: swap.dwel_ms: unknown key; did you mean dwell_ms?'],
    [
      'a wrong type',
      `${GPU}swap: { dwell_ms: "5000" }\n`,
      '7:19: swap.dwell_ms: expected a whole number of at least 0; got "5000"; write it without quotes',
    ],
    ['a number out of range', `${GPU}swap: { max_asleep: 99 }\n`, '7:21: swap.max_asleep: expected a whole number from 1 to 16; got 99'],
    [
      'a number that must be above',
      GPU.replace('memory_gib: null', 'memory_gib: 0'),
      '4:13: memory_gib: expected a number above 0 or null; got 0',
    ],
    ['a wrong choice', `${GPU}swap: { strategy: slep }\n`, '7:19: swap.strategy: expected cold or sleep; got "slep"; did you mean sleep?'],
    ['a key that is not there', GPU.replace('title: X\n', ''), '1:1: title: is required here'],
    ['a key that is there twice', `${GPU}title: Y\n`, '7:1: title: is set twice, first on line 1'],
    ['no regular expression', GPU.replace('match: null', 'match: { name: "(" }'), /^2:16: match\.name: expected a regular expression: /],
    ['a reason too short to be one', `${GPU}why: { a: b }\n`, '7:11: why.a: expected text of at least 10 characters; got "b"'],
    [
      'a flag that is none',
      GPU.replace('engine: {}', 'engine: { Max-Seqs: 1 }'),
      '6:11: engine.Max-Seqs: expected the name of a vllm serve flag, underscores for dashes',
    ],
    ['a secret of the wrong type, which is not repeated', `${GPU}env: { HF_TOKEN: 12345 }\n`, '7:18: env.HF_TOKEN: expected text'],
    ['no YAML', 'title: [\n', /^2:1: not valid YAML: /],
    ['two documents', `${GPU}---\n${GPU}`, '7:1: a profile holds one document; take out the second ---'],
    ['a list', '- title: X\n', '1:1: expected keys with their values, such as title: and engine:'],
  ])('is told at its line and column: %s', (_, text, expected) => {
    const problems = problemsOf(folderWith('gpu/x.yaml', text));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^gpu\/x\.yaml:/);
    const told = problems[0]!.slice('gpu/x.yaml:'.length);
    if (typeof expected === 'string') expect(told).toBe(expected);
    else expect(told).toMatch(expected);
  });

  test.each([
    ['{ multiply: 2 }', '3:19: engine.max_num_seqs.multiply: unknown key; known here: set, times, min, max, add, at_least, min_memory_gib'],
    ['{ times: x }', '3:26: engine.max_num_seqs.times: expected a number above 0; got "x"'],
    ['{ set: 4, times: 2 }', '3:27: engine.max_num_seqs.times: does not go with the other keys here'],
    ['{}', '3:17: engine.max_num_seqs: expected set, times, add or at_least here'],
    ['4', '3:17: engine.max_num_seqs: expected a group of settings; got 4'],
  ])('is told by the way of changing a value that was meant: %s', (change, told) => {
    expect(problemsOf(folderWith('tuning/odd.yaml', `title: Odd\nengine:\n  max_num_seqs: ${change}\n`))).toEqual([
      `tuning/odd.yaml:${told}`,
    ]);
  });

  test('comes with all others that are wrong, in the order of files and lines', () => {
    const folder = folderWith('gpu/b.yaml', `${GPU}with_dispaly: {}\nevn: {}\n`);
    writeFileSync(join(folder, 'gpu/a.yaml'), 'title: [\n');
    writeFileSync(join(folder, 'tuning/t.yaml'), 'titel: T\nengine: {}\n');
    expect(problemsOf(folder).map((problem) => problem.slice(0, problem.indexOf(': ')))).toEqual([
      'gpu/a.yaml:2:1',
      'gpu/b.yaml:7:1',
      'gpu/b.yaml:8:1',
      'tuning/t.yaml:1:1',
      'tuning/t.yaml:1:1',
    ]);
  });

  test('keeps what looks like a variable: a profile is not filled in from the environment', () => {
    const folder = folderWith(
      'gpu/x.yaml',
      GPU.replace('title: X', 'title: ${HOME}').replace('default_model: m', 'default_model: ${HOME}'),
    );
    expect(problemsOf(folder)).toEqual(['gpu/x.yaml:5:1: default_model: there is no model ${HOME}']);
  });

  test('is named with the line where it is not YAML', () => {
    expect(() => loadProfiles(folderWith('gpu/odd.yaml', 'title: [\n'))).toThrow(/odd\.yaml:2:1: not valid YAML/);
  });

  test('is named where it cannot be read: a link to nowhere, a folder with the name of a file, no folder at all', () => {
    const folder = scratchFolder();
    cpSync(profilesDirectory(), folder, { recursive: true });
    symlinkSync('nowhere', join(folder, 'gpu/lost.yaml'));
    mkdirSync(join(folder, 'models/odd.yaml'));
    rmSync(join(folder, 'tuning'), { recursive: true });
    expect(problemsOf(folder).map((problem) => problem.replace(/: (E[A-Z]+).*/, ': $1'))).toEqual([
      'gpu/lost.yaml: cannot be read: ENOENT',
      'models/odd.yaml: cannot be read: EISDIR',
      'tuning: cannot be read: ENOENT',
    ]);
  });

  test('is not what an editor leaves beside the file that it has open', () => {
    const folder = scratchFolder();
    cpSync(profilesDirectory(), folder, { recursive: true });
    symlinkSync('me@host.1:2', join(folder, 'gpu/.#t4.yaml'));
    expect(loadProfiles(folder).gpus.has('t4')).toBe(true);
  });

  test('is refused when it names a model that is not there', () => {
    expect(() => loadProfiles(folderWith('gpu/x.yaml', GPU.replace('default_model: m', 'default_model: nothing')))).toThrow(
      /x\.yaml:5:1: default_model: there is no model nothing$/,
    );
  });

  test('is refused with what to use instead when it asks for what vLLM no longer has', () => {
    const tuning = 'title: Old\nengine:\n  swap_space: { set: 4 }\n';
    expect(() => loadProfiles(folderWith('tuning/old.yaml', tuning))).toThrow(
      /old\.yaml:3:3: engine\.swap_space: vLLM no longer has --swap-space: .*kv_offloading_size/,
    );
  });

  test('is refused when what it says of a card or of weights is not there, with the nearest that is', () => {
    const folder = scratchFolder();
    cpSync(profilesDirectory(), folder, { recursive: true });
    const file = join(folder, 'models/gpt-oss-20b.yaml');
    const text = readFileSync(file, 'utf8');
    const [first] = profiles.models.get('gpt-oss-20b')!.variants;
    writeFileSync(file, `${text.replace(/^on:[^]*/m, '')}on:\n  rtx-4091: { variant: ${first!.name}x }\n`);
    expect(problemsOf(folder).map((problem) => problem.replace(/^\S+:\d+:\d+: /, ''))).toEqual([
      'on.rtx-4091: there is no GPU profile rtx-4091; did you mean rtx-4090?',
      `on.rtx-4091.variant: there is no variant ${first!.name}x; did you mean ${first!.name}?`,
    ]);
  });
});

import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { problemText } from '../../../gateway/config/schema/problems.ts';
import { settingsSchema } from '../../../gateway/config/schema/settings.ts';
import { flagOrigins } from '../../../supervisor/plan/flag-origins.ts';
import { planFleet } from '../../../supervisor/plan/plan.ts';
import { ownProfiles, profileFolders } from '../../../supervisor/profile/folders.ts';
import { loadProfiles, ProfileError, profilesDirectory, readProfiles } from '../../../supervisor/profile/profile.ts';
import { reading } from '../support/pretend-smi.ts';
import { scratchFolder } from '../support/scratch.ts';

/** A folder with these profiles of one's own, by their paths in it. */
function own(files: Readonly<Record<string, string>>, folder = scratchFolder()): string {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }
  return folder;
}

const [T4, MISTRAL] = [loadProfiles().gpus.get('t4')!, 'mistral-7b-instruct'];

describe('profiles of one’s own', () => {
  test('say only what is different from the package’s of the same name, key by key', () => {
    const { gpus } = loadProfiles(profilesDirectory(), own({ 'gpu/t4.yaml': 'engine: { max_num_seqs: 7 }\nenv: { MY_FLAG: "1" }\n' }));
    expect(gpus.get('t4')).toEqual({ ...T4, engine: { ...T4.engine, max_num_seqs: 7 }, env: { ...T4.env, MY_FLAG: '1' } });
  });

  test('replace a list, and a change of a tuning, as a whole', () => {
    const folder = own({ 'gpu/t4.yaml': 'steps: []\n', 'tuning/throughput.yaml': 'engine: { max_num_seqs: { set: 5 } }\n' });
    const { gpus, tunings } = loadProfiles(profilesDirectory(), folder);
    expect(gpus.get('t4')!.steps).toEqual([]);
    expect(tunings.get('throughput')!.engine['max_num_seqs']).toEqual({ set: 5 });
  });

  test('may be new, and then have to be whole', () => {
    const part = own({ 'models/mine.yaml': 'title: Mine\n' });
    expect(readProfiles([profilesDirectory(), part]).problems.map(problemText)).toContain(
      `${part}/models/mine.yaml:1:1: shape: is required here`,
    );
    const whole = own({});
    mkdirSync(join(whole, 'models'));
    cpSync(join(profilesDirectory(), 'models', `${MISTRAL}.yaml`), join(whole, 'models/mine.yaml'));
    expect(loadProfiles(profilesDirectory(), whole).models.get('mine')).toMatchObject({ title: 'Mistral 7B Instruct v0.3' });
  });

  test('are held against the same schema, each mistake at its place in its own file', () => {
    const folder = own({ 'gpu/t4.yaml': 'engine:\n  max_num_seqs: 7\nevn: {}\n', 'gpu/l4.yaml': 'default_model: nothing\n' });
    const { problems, profiles, broken } = readProfiles([profilesDirectory(), folder]);
    expect(problems.map(problemText)).toEqual([
      `${folder}/gpu/l4.yaml:1:1: default_model: there is no model nothing`,
      `${folder}/gpu/t4.yaml:3:1: evn: unknown key; did you mean env?`,
    ]);
    // The others are as good as ever.
    expect(profiles.gpus.has('rtx-4090')).toBe(true);
    expect([...broken]).toEqual(['gpu/t4']);
  });

  test('and flags in them that no vLLM has are found, with the flag that was meant', () => {
    const folder = own({
      'gpu/t4.yaml': 'engine:\n  max_modellen: 5\n',
      [`models/${MISTRAL}.yaml`]: 'on:\n  t4: { variant: awq, engine: { max_num_seq: 1 } }\n',
    });
    expect(readProfiles([profilesDirectory(), folder]).unknownFlags.map(problemText)).toEqual([
      `${folder}/gpu/t4.yaml:2:3: engine.max_modellen: vllm serve has no flag --max-modellen; did you mean max_model_len?`,
      `${folder}/models/${MISTRAL}.yaml:2:33: on.t4.engine.max_num_seq: vllm serve has no flag --max-num-seq; did you mean max_num_seqs?`,
    ]);
    expect(readProfiles().unknownFlags).toEqual([]);
  });
});

describe('the folder of one’s own profiles', () => {
  const settings = (supervisor: object = {}) => settingsSchema.parse({ supervisor });

  test('is the one that the settings name, or profiles beside the state folder where there is one', () => {
    const cwd = own({ 'profiles/gpu/t4.yaml': 'engine: {}\n', 'elsewhere/gpu/l4.yaml': 'engine: {}\n' });
    expect(ownProfiles(settings(), cwd)).toBe(join(cwd, 'profiles'));
    expect(ownProfiles(settings({ profiles_dir: 'elsewhere' }), cwd)).toBe(join(cwd, 'elsewhere'));
    expect(ownProfiles(settings({ state_dir: 'deep/state' }), cwd)).toBeNull();
    expect(profileFolders(settings(), scratchFolder())).toEqual([profilesDirectory()]);
  });

  test('is an error where the settings name one that is not there', () => {
    expect(() => ownProfiles(settings({ profiles_dir: 'nowhere' }), '/srv')).toThrow(
      new ProfileError('supervisor.profiles_dir: there is no folder /srv/nowhere'),
    );
  });

  test('is not the package’s own, and not any folder that happens to have the name', () => {
    const cwd = own({ 'profiles/people.txt': '' });
    expect(ownProfiles(settings(), cwd)).toBeNull();
    const checkout = scratchFolder();
    symlinkSync(profilesDirectory(), join(checkout, 'profiles'));
    expect(ownProfiles(settings(), checkout)).toBeNull();
  });
});

describe('what set each flag', () => {
  const card = reading('Tesla T4', 15360, 7.5);
  function origins(model: object | string, more: object = {}, files: Readonly<Record<string, string>> = {}) {
    const folder = own(files);
    const profiles = loadProfiles(profilesDirectory(), folder);
    const settings = settingsSchema.parse({ models: [model], supervisor: { engine: 'vllm', ...more } });
    const plan = planFleet(settings, profiles, [card], { cwd: '/', env: {}, stateDir: '/nowhere' });
    const { choice, basis } = plan.workers[0]!;
    if (choice.kind === 'refused') throw new Error(choice.reason);
    const found = flagOrigins(choice.engine, basis.model, { gpu: basis.profile, tuning: plan.tuning, card: basis.card, profiles });
    expect(Object.fromEntries(found.map(({ flag, value }) => [flag, value]))).toEqual(choice.engine);
    return (flag: string) => {
      const { value, from, instead_of } = found.find((each) => each.flag === flag)!;
      return [{ value, from }, ...instead_of].map(
        (each) => `${String(each.value)} ${each.from.replace(folder, 'own').replace(/:\d+/, ':N')}`,
      );
    };
  }

  test('is told with what it beats: an edit of the card’s profile that the model’s own line for the card beats is seen', () => {
    const of = origins(MISTRAL, {}, { 'gpu/t4.yaml': 'engine: { max_num_seqs: 7, max_num_batched_tokens: 1024 }\n' });
    expect(of('max_num_seqs')).toEqual([`16 models/${MISTRAL}.yaml:N, on.t4`, '7 own/gpu/t4.yaml:N']);
    expect(of('max_num_batched_tokens')).toEqual(['1024 own/gpu/t4.yaml:N']);
    expect(of('dtype')).toEqual(['half gpu/t4.yaml:N']);
  });

  test('may be a tuning, the settings, or what had to be relaxed', () => {
    expect(origins(MISTRAL, { tuning: 'throughput' })('max_num_seqs')[0]).toMatch(/^\d+ tuning\/throughput\.yaml:N$/);
    expect(origins({ id: MISTRAL, engine: { 'max-num-seqs': 3 } })('max_num_seqs').slice(0, 2)).toEqual([
      `3 models[].engine of ${MISTRAL}`,
      `16 models/${MISTRAL}.yaml:N, on.t4`,
    ]);
    expect(origins('llama-3.1-8b-instruct', { profile: 'l4' })('max_num_seqs')[0]).toMatch(/so that it fits$/);
  });
});

test('a profile that the settings put on a card that it was not made for is warned of, with what will break', () => {
  const foreign = (profile: string, gpu: ReturnType<typeof reading>) =>
    planFleet(settingsSchema.parse({ supervisor: { engine: 'vllm', profile } }), loadProfiles(), [gpu], {
      cwd: '/',
      env: {},
      stateDir: '/nowhere',
    }).foreign;
  expect(foreign('l4', reading('Tesla T4', 15360, 7.5))).toEqual([
    expect.stringMatching(
      /^The profile l4 was not made for GPU 0 \(Tesla T4, compute capability 7\.5\): .*no bfloat16.*attention.*fp8.*14\.6 GiB/,
    ),
  ]);
  expect(foreign('l4', reading('NVIDIA RTX A4000', 16376, 8.6))[0]).toMatch(/fp8 KV cache needs FlashInfer; it has 15\.6 GiB/);
  expect(foreign('t4', reading('NVIDIA L4', 23034, 8.9))).toEqual([]);
  expect(foreign('l4', reading('NVIDIA L4', 23034, 8.9))).toEqual([]);
  expect(foreign('auto', reading('Tesla T4', 15360, 7.5))).toEqual([]);
});

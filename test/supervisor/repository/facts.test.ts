import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../gateway/core/clock.ts';
import { settingsSchema } from '../../../gateway/config/schema/settings.ts';
import { lookAround, lookHere, seesOurFiles } from '../../../supervisor/repository/facts.ts';
import { learnModels } from '../../../supervisor/plan/model-facts.ts';
import { planFleet } from '../../../supervisor/plan/plan.ts';
import { loadProfiles } from '../../../supervisor/profile/profile.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { reading } from '../support/pretend-smi.ts';
import { scratchFolder } from '../support/scratch.ts';
import type { HubRepository } from './hub-server.ts';
import { hubServer } from './hub-server.ts';

const GIB = 2 ** 30;
/** As it stands in Qwen/Qwen3-8B, less what nobody reads. */
const QWEN3_8B = {
  ...{ architectures: ['Qwen3ForCausalLM'], model_type: 'qwen3', torch_dtype: 'bfloat16', tie_word_embeddings: false },
  ...{ hidden_size: 4096, intermediate_size: 12288, num_hidden_layers: 36, num_attention_heads: 32, num_key_value_heads: 8, head_dim: 128 },
  ...{ max_position_embeddings: 40960, vocab_size: 151936, sliding_window: null, use_sliding_window: false },
};
const QWEN: HubRepository = {
  config: QWEN3_8B,
  files: {
    'config.json': 700,
    'model-00001-of-00002.safetensors': 8 * GIB,
    'model-00002-of-00002.safetensors': 7.2 * GIB,
    'onnx/model.safetensors': 99 * GIB,
  },
};

function weights(source: string, revision: string | null = null) {
  return { id: source, source, revision, downloadDir: null };
}

describe('a repository that has not been downloaded', () => {
  test('is known by what the hub says of it', async () => {
    const { env, asked } = await hubServer({ 'Qwen/Qwen3-8B': QWEN });
    const facts = await lookAround(weights('Qwen/Qwen3-8B'), '/', env, systemClock);
    expect(facts).toMatchObject({
      kind: 'known',
      isHere: false,
      profile: { max_context: 40960, variants: [{ weights_gib: 15.2, quantization: 'none' }] },
    });
    expect(asked.map(({ path }) => path).toSorted()).toEqual([
      '/Qwen/Qwen3-8B/resolve/main/config.json',
      '/api/models/Qwen/Qwen3-8B/tree/main',
    ]);
  });

  test.each<[string, HubRepository | null, Record<string, string>, object]>([
    [
      'is told to be gated',
      { ...QWEN, gated: true },
      {},
      { kind: 'gated', why: expect.stringMatching(/acme\/it is gated: accept its licence at .* and set HF_TOKEN/) },
    ],
    [
      'is told to be gated for the account whose token is in use',
      { ...QWEN, gated: true },
      { HF_TOKEN: 'hf_other' },
      { kind: 'gated', why: expect.stringContaining('account whose token') },
    ],
    ['is open to whoever has accepted', { ...QWEN, gated: true }, { HF_TOKEN: 'hf_good' }, { kind: 'known' }],
    [
      'is missed where there is none',
      null,
      {},
      { kind: 'missing', why: expect.stringContaining('there is no repository acme/it, or it is private') },
    ],
    ['stays unknown where it has no config.json', { files: {} }, {}, { kind: 'unknown', why: expect.stringContaining('config.json') }],
    ['stays unknown where that says too little', { ...QWEN, config: { model_type: 'whisper' } }, {}, { kind: 'unknown' }],
    [
      'is not asked for where a variable forbids it',
      QWEN,
      { HF_HUB_OFFLINE: '1' },
      { kind: 'missing', why: expect.stringMatching(/not in \/nowhere\/hf\/hub, and HF_HUB_OFFLINE forbids/) },
    ],
  ])('%s', async (_what, repository, more, expected) => {
    const { env, asked } = await hubServer(repository ? { 'acme/it': repository } : {});
    expect(await lookAround(weights('acme/it'), '/', { ...env, ...more }, systemClock)).toMatchObject(expected);
    expect(asked.length > 0).toBe(!('HF_HUB_OFFLINE' in more));
  });

  test('keeps nobody waiting: a hub that is silent or away is soon left alone', async () => {
    const { env, asked } = await hubServer({ 'acme/it': { silent: true } });
    const clock = createFakeClock();
    const facts = lookAround(weights('acme/it'), '/', env, clock);
    while (asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    await clock.advance(3000);
    expect(await facts).toMatchObject({ kind: 'unknown', why: expect.stringContaining('no answer within 3 s') });
    const away = await lookAround(weights('acme/it'), '/', { ...env, HF_ENDPOINT: 'http://127.0.0.1:1' }, systemClock);
    expect(away).toMatchObject({ kind: 'unknown', why: expect.stringContaining('cannot be asked') });
  });

  test('takes the token that was stored for the hub, and asks for the revision that is meant', async () => {
    const { env, asked } = await hubServer({ 'acme/it': { ...QWEN, gated: true } });
    const home = scratchFolder();
    writeFileSync(join(home, 'token'), 'hf_good\n');
    expect(await lookAround(weights('acme/it', 'v2'), '/', { ...env, HF_HOME: home }, systemClock)).toMatchObject({ kind: 'known' });
    expect(asked.map(({ path }) => path)).toContain('/acme/it/resolve/v2/config.json');
  });
});

describe('a path', () => {
  test('that is not there is missed, and so is a folder without a model', () => {
    expect(lookHere(weights('/models/nothing'), '/', {})).toEqual({ kind: 'missing', why: 'there is no folder /models/nothing' });
    expect(lookHere(weights('./models/sub/nothing'), '/srv', {})).toMatchObject({
      kind: 'missing',
      why: expect.stringContaining('/srv/models/sub/nothing'),
    });
    const folder = scratchFolder();
    expect(lookHere(weights(folder), '/', {})).toMatchObject({ kind: 'missing', why: expect.stringContaining('has no config.json') });
  });

  test('whose config.json is cut off, or that has no tokenizer, is refused before a start', () => {
    const folder = scratchFolder();
    writeFileSync(join(folder, 'config.json'), '{"model_type": "qwen3", "hidden');
    expect(lookHere(weights(folder), '/', {})).toMatchObject({
      kind: 'missing',
      why: expect.stringMatching(/config\.json cannot be read .*anew/),
    });
    writeFileSync(join(folder, 'config.json'), '[]');
    expect(lookHere(weights(folder), '/', {})).toMatchObject({ kind: 'missing', why: expect.stringContaining('is no JSON object') });
    writeFileSync(join(folder, 'config.json'), JSON.stringify(QWEN.config));
    expect(lookHere(weights(folder), '/', {})).toMatchObject({ kind: 'missing', why: expect.stringContaining('there is no tokenizer in') });
    expect(lookHere({ ...weights(folder), tokenizerElsewhere: true }, '/', {})).toMatchObject({ isHere: true });
    writeFileSync(join(folder, 'tokenizer.json'), '{}');
    expect(lookHere(weights(folder), '/', {})).toMatchObject({ isHere: true });
  });

  test('of another format, or elsewhere, is for the engine to judge', () => {
    const folder = scratchFolder();
    writeFileSync(join(folder, 'model.gguf'), '');
    expect(lookHere(weights(folder), '/', {})).toMatchObject({ kind: 'unknown', isHere: true });
    expect(lookHere(weights('s3://bucket/model'), '/', {})).toMatchObject({ kind: 'unknown' });
    expect(seesOurFiles(['docker', 'run', 'vllm'])).toBe(false);
    expect(seesOurFiles(['/opt/vllm/bin/vllm', 'serve'])).toBe(true);
  });

  test('may lead to a download that is not complete: its index knows how large it will be', () => {
    const folder = scratchFolder();
    writeFileSync(join(folder, 'config.json'), JSON.stringify(QWEN3_8B));
    writeFileSync(join(folder, 'tokenizer.json'), '{}');
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ metadata: { total_size: 15 * GIB } }));
    expect(lookHere(weights(folder), '/', {})).toMatchObject({ kind: 'known', profile: { variants: [{ weights_gib: 15 }] } });
  });
});

describe('any model in one step', () => {
  const card = reading('NVIDIA GeForce RTX 3060', 12288, 8.6);
  async function plan(id: string, env: Record<string, string>, engine: Record<string, string> = {}) {
    const settings = settingsSchema.parse({
      models: [Object.keys(engine).length > 0 ? { id, engine } : id],
      supervisor: { engine: 'vllm' },
    });
    const profiles = loadProfiles();
    const facts = await learnModels(settings, profiles, { cwd: '/', env, clock: systemClock });
    return planFleet(settings, profiles, [card], { cwd: '/', env, stateDir: '/nowhere', facts });
  }

  test('is told not to fit before it is downloaded, and launched by its repository where it does', async () => {
    const { env } = await hubServer({ 'Qwen/Qwen3-8B': QWEN, 'acme/small': { ...QWEN, files: { 'model.safetensors': 5 * GIB } } });
    expect((await plan('Qwen/Qwen3-8B', env)).choices[0]).toMatchObject({ kind: 'refused', reason: expect.stringContaining('15.2 GiB') });
    const small = await plan('acme/small', env);
    expect(small.choices[0]).toMatchObject({ kind: 'run', source: 'acme/small', fit: { verdict: 'fits' } });
    const launch = small.workers[0]!.spec.plan(18_000, 'x');
    expect(launch).toMatchObject({ launch: { args: expect.arrayContaining(['acme/small', '--served-model-name', 'acme/small']) } });
  });

  test('is the one of a profile where it names the repository of one of its variants', async () => {
    const known = await plan('Qwen/Qwen2.5-1.5B-Instruct-AWQ', {});
    expect(known.choices[0]).toMatchObject({ kind: 'run', variant: { name: 'awq' }, engine: { tool_call_parser: 'hermes' } });
  });

  test('says why nobody can say how it fits, and that a licence is to be accepted', async () => {
    const { env } = await hubServer({ 'acme/shut': { ...QWEN, gated: true } });
    expect((await plan('acme/shut', env)).choices[0]).toMatchObject({
      kind: 'run',
      doubt: { certain: true, text: expect.stringContaining('set HF_TOKEN') },
    });
    expect((await plan('acme/none', env)).choices[0]).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('no repository acme/none'),
    });
    const away = await plan('acme/shut', { ...env, HF_ENDPOINT: 'http://127.0.0.1:1' });
    expect(away.choices[0]).toMatchObject({
      kind: 'run',
      fit: null,
      doubt: { certain: false, text: expect.stringContaining('How acme/shut fits is not known') },
    });
  });

  test('is known in the folder that the engine keeps its downloads in, by the revision that is meant', async () => {
    const folder = scratchFolder();
    const snapshot = join(folder, 'models--acme--kept', 'snapshots', 'abc');
    mkdirSync(join(folder, 'models--acme--kept', 'refs'), { recursive: true });
    mkdirSync(snapshot, { recursive: true });
    writeFileSync(join(folder, 'models--acme--kept', 'refs', 'v2'), 'abc');
    writeFileSync(join(snapshot, 'config.json'), JSON.stringify(QWEN3_8B));
    writeFileSync(join(snapshot, 'model.safetensors.index.json'), JSON.stringify({ metadata: { total_size: 5 * GIB } }));
    const kept = await plan('acme/kept', { HF_HUB_OFFLINE: 'yes' }, { download_dir: folder, revision: 'v2' });
    expect(kept.choices[0]).toMatchObject({ kind: 'run', fit: { verdict: 'fits' } });
  });

  test('by its folder is served under the name of the folder', () => {
    const [entry] = settingsSchema.parse({ models: ['./models/My-Model/'] }).models;
    expect(entry).toMatchObject({ id: 'My-Model', source: './models/My-Model/' });
  });
});

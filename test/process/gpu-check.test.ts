import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import type { GpuHouse } from '../support/gpu-house.ts';
import { houseWith } from '../supervisor/support/house-supervisor.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));

/** Runs a command in a house, with these settings. */
async function headgate(house: GpuHouse, settings: string, ...args: string[]): Promise<{ code: unknown; text: string }> {
  if (settings !== '') writeFileSync(join(house.folder, 'headgate.yaml'), settings);
  const options = { cwd: house.folder, env: { PATH: house.path }, reject: false, all: true, stripFinalNewline: false } as const;
  const { exitCode, all } = await execa(process.execPath, [CLI, ...args], options);
  return { code: exitCode, text: all };
}

const MODELS = 'models:\n  - mistral-7b-instruct\n  - id: gemma-3-12b-it\n    aliases: [gemma]\n';

describe('headgate check', () => {
  test('warns, with its place, of a model that the card of this machine cannot run; elsewhere the settings may be right', async () => {
    const house = houseWith(['t4']);
    const { code, text } = await headgate(house, MODELS, 'check');
    expect(text).toMatch(
      /^warning: headgate\.yaml:3:9: models\[1\]\.id: gemma-3-12b-it cannot run on this GPU \(Tesla T4\): .*float16.* Choose /,
    );
    expect(text).toContain('settings are valid (headgate.yaml)');
    expect(text).not.toContain('mistral');
    expect(code).toBe(0);
    expect(await headgate(houseWith(['rtx-4080']), MODELS, 'check')).toEqual({ code: 0, text: 'settings are valid (headgate.yaml)\n' });
  });

  test('ends with 64 where the settings name the profile that cannot run it, whatever card is here', async () => {
    const { code, text } = await headgate(houseWith(['rtx-4080']), `supervisor: { profile: t4 }\n${MODELS}`, 'check');
    expect(text).toMatch(/^headgate\.yaml:4:9: models\[1\]\.id: gemma-3-12b-it cannot run .*\n1 problem in the settings\n$/);
    expect(code).toBe(64);
  });

  test('says where the settings name what is not there', async () => {
    const house = houseWith(['t4']);
    expect(await headgate(house, 'supervisor: { profile: t5 }\n', 'check')).toEqual({
      code: 64,
      text: 'headgate.yaml:1:24: supervisor.profile: there is no t5; did you mean t4?\n1 problem in the settings\n',
    });
    const unknown = await headgate(house, 'models: [mistral-7b-instrct]\n', 'check');
    expect(unknown.code).toBe(64);
    expect(unknown.text).toMatch(
      /^headgate\.yaml:1:10: models\[0\]\.id: there is no mistral-7b-instrct .*did you mean mistral-7b-instruct\?/,
    );
    expect(await headgate(house, 'models:\n  - mistral-7b-instruct\n  - ./weights/mine\n', 'check')).toEqual({
      code: 64,
      text: `headgate.yaml:3:5: models[1].id: mine cannot be had: there is no folder ${join(house.folder, 'weights/mine')}.\n1 problem in the settings\n`,
    });
  });

  test('tells every mistake in one pass: of settings and profiles, of profile, tuning, models and engine flags', async () => {
    const house = houseWith(['t4']);
    mkdirSync(join(house.folder, 'profiles/gpu'), { recursive: true });
    writeFileSync(join(house.folder, 'profiles/gpu/t4.yaml'), 'engine:\n  max_modellen: 4096\nevn: {}\n');
    writeFileSync(join(house.folder, 'profiles/gpu/l4.yaml'), 'engine:\n  max_num_seq: 4\n');
    const models =
      'models:\n  - mistral-7b-instrct\n  - id: llama-3.1-8b-instruct\n    engine: { max-num-seq: 4, zz-unheard: 1 }\n  - ./nope\n  - qwen9\n';
    const { code, text } = await headgate(house, `supervisor: { profile: t5, tuning: balancd }\n${models}`, 'check');
    const told = text
      .replaceAll(`${house.folder}/`, '')
      .split('\n')
      .map((line) => line.replace(/(did you mean \S+\?).*/, '$1'));
    expect(told).toEqual([
      'warning: headgate.yaml:5:43: models[1].engine.zz-unheard: vllm serve has no flag --zz-unheard',
      'profiles/gpu/l4.yaml:2:3: engine.max_num_seq: vllm serve has no flag --max-num-seq; did you mean max_num_seqs?',
      'profiles/gpu/t4.yaml:3:1: evn: unknown key; did you mean env?',
      'headgate.yaml:1:24: supervisor.profile: there is no t5; did you mean t4?',
      'headgate.yaml:1:36: supervisor.tuning: there is no balancd; did you mean balanced?',
      'headgate.yaml:3:5: models[0].id: there is no mistral-7b-instrct in profiles/models; did you mean mistral-7b-instruct?',
      'headgate.yaml:5:28: models[1].engine.max-num-seq: vllm serve has no flag --max-num-seq; did you mean max-num-seqs?',
      'headgate.yaml:6:5: models[2].id: nope cannot be had: there is no folder nope.',
      expect.stringMatching(/^headgate\.yaml:7:5: models\[3\]\.id: there is no qwen9 /),
      '8 problems in the settings',
      '',
    ]);
    expect(code).toBe(64);
  });

  test('tells mistakes of the settings with those of what they name, and each engine flag at its own place', async () => {
    const file = [
      'models:',
      '  - { id: mistral-7b-instruct, alias: [x] }',
      '  - id: qwen2.5-1.5b-instruct-awq',
      '    engine: { port: 1, gpu_memory_utilization: 7, quantization: awq_marln, max-num-seqs: many, task: embed }',
      '  - qwen2.5-1.5b-instrct',
      'batch_window: { windw_ms: 20 }',
      'workers: [localhost:8000]',
    ];
    const { code, text } = await headgate(houseWith(['t4']), `${file.join('\n')}\n`, 'check');
    expect(code).toBe(64);
    expect(text.split('\n').map((line) => line.replace(/^headgate\.yaml:|(: )(?:.*?)(write .*|$)/g, '$1$2'))).toEqual([
      '2:32: ',
      '4:21: ',
      '4:48: ',
      '4:65: ',
      '4:90: ',
      '4:102: ',
      '5:5: ',
      '6:17: ',
      '7:11: write { url: http://localhost:8000 }',
      '9 problems in the settings',
      '',
    ]);
    for (const part of [
      ':4:21: models[1].engine.port: Headgate itself sets --port',
      ':4:48: models[1].engine.gpu_memory_utilization: ',
      ':4:65: models[1].engine.quantization: vLLM has no quantization awq_marln; did you mean awq_marlin?',
      ':4:90: models[1].engine.max-num-seqs: vllm serve wants a whole number',
      ':4:102: models[1].engine.task: vLLM no longer has --task',
    ])
      expect(text).toContain(part);
  });

  test('asks no GPU where no model is named, and none anywhere of a gateway alone', async () => {
    const house = houseWith(['t4'], { smi: { SIM_SMI_FAULT: 'hang' } });
    expect(await headgate(house, 'server: { port: 1 }\n', 'check')).toMatchObject({ code: 0 });
    expect(await headgate(house, `workers: [{ url: 'http://127.0.0.1:1' }]\n${MODELS}`, 'check')).toMatchObject({ code: 0 });
    expect(house.looks()).toBe(0);
  });
});

describe('headgate doctor', () => {
  test('says how every model fits the card, and the command that would be run on it, and starts nothing', async () => {
    const house = houseWith(['t4']);
    const { code, text } = await headgate(house, '', 'doctor');
    expect(text).toMatch(/0: Tesla T4, 15 GiB \(14\.56 for CUDA, 14\.56 GiB free\), compute capability 7\.5/);
    expect(text).toMatch(/^Profile t4 /m);
    const fits = [...text.matchAll(/^ {2}(?:\*| ) +([\w.-]+) +[-\d]+ +(?:- |\S+ [\d.]+ GiB) +(yes|tight|no)\b/gm)].map(
      ([, id, fit]) => `${id} ${fit}`,
    );
    expect(fits.toSorted()).toEqual([
      ...['gemma-3-12b-it no', 'gpt-oss-20b no', 'llama-3.1-8b-instruct yes', 'mistral-7b-instruct yes'],
      ...['qwen2.5-1.5b-instruct-awq yes', 'qwen2.5-14b-instruct yes'],
    ]);
    expect(text).toMatch(/^Engine flags of mistral-7b-instruct, and what set each$/m);
    expect(text).toMatch(/^ +max_num_seqs 16: models\/mistral-7b-instruct\.yaml:\d+, on\.t4 \(gpu\/t4\.yaml:\d+ says 16\)$/m);
    const explained = await headgate(house, '', 'explain');
    expect(explained.text).toMatch(/^# +dtype half: gpu\/t4\.yaml:\d+$/m);
    expect(text).toMatch(/gemma-3-12b-it cannot run on this GPU \(Tesla T4\): .* Choose /);
    expect(text).toContain(`CUDA_DEVICE_ORDER=PCI_BUS_ID \\\n  CUDA_VISIBLE_DEVICES=${house.cards()[0]!.uuid} \\\n  vllm serve `);
    expect(text).toContain('--dtype half \\\n');
    expect(text).toContain('Nothing stands in the way.');
    expect(code).toBe(0);
    expect(house.launches()).toEqual([]);
  });

  test('says that a share is never free before anybody waits for it', async () => {
    const settings = 'models:\n  - { id: mistral-7b-instruct, engine: { gpu_memory_utilization: 0.98 } }\n';
    const { code, text } = await headgate(houseWith(['t4']), settings, 'doctor');
    expect(text).toMatch(/Stands in the way\n {2}gpu_memory_utilization 0\.98 is never free on GPU 0/);
    expect(code).toBe(1);
  });
});

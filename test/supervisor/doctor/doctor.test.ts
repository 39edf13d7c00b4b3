import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { SettingsInput } from '../../../gateway/config/schema/settings.ts';
import { settingsSchema } from '../../../gateway/config/schema/settings.ts';
import { systemClock, type Clock } from '../../../gateway/core/clock.ts';
import { examine } from '../../../supervisor/doctor/doctor.ts';
import type { DoctorReport } from '../../../supervisor/doctor/report.ts';
import { doctorText } from '../../../supervisor/doctor/text.ts';
import { ladderFile } from '../../../supervisor/system/file-name.ts';
import { planFleet } from '../../../supervisor/plan/plan.ts';
import { NvidiaSmi } from '../../../supervisor/gpu/gpu.ts';
import { LEVEL_GROUND } from '../../../supervisor/ladder/ladder.ts';
import type { Relaxation } from '../../../supervisor/ladder/step.ts';
import { loadProfiles, ProfileError } from '../../../supervisor/profile/profile.ts';
import { inspectVllm } from '../../../supervisor/engine/vllm-install.ts';
import { ladderRecord } from '../../../supervisor/worker/ladder.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { run } from '../../support/process.ts';
import { freePort } from '../../support/ports.ts';
import { pretendCard, pretendSmi, smiThat, reading } from '../support/pretend-smi.ts';
import type { CardSurveyor } from '../../../supervisor/gpu/pretended.ts';
import { pretendVllm } from '../support/pretend-vllm.ts';
import { scratchFolder } from '../support/scratch.ts';

interface Machine {
  /** Folders with a pretended nvidia-smi and vllm. */
  readonly smi?: string;
  readonly vllm?: string;
  readonly settings?: SettingsInput;
  readonly env?: Readonly<Record<string, string>>;
  readonly clock?: Clock;
  readonly cwd?: string;
  readonly cards?: CardSurveyor;
}

async function doctor({
  smi,
  vllm,
  settings = {},
  env = {},
  clock = systemClock,
  cwd = scratchFolder(),
  ...more
}: Machine): Promise<DoctorReport> {
  const port = await freePort();
  const parsed = settingsSchema.parse({
    server: { port: 0 },
    ...settings,
    supervisor: { port_range: [port, port], ...settings.supervisor },
  });
  const path = [smi, vllm, '/usr/bin', '/bin'].filter((folder) => folder !== undefined).join(':');
  return examine(parsed, { cwd, env: { PATH: path, HOME: '/root', ...env }, clock, smiFolders: [], ...more });
}

function model(report: DoctorReport, id: string) {
  return report.models.find((each) => each.id === id)!;
}

const CARDS = {
  t4: pretendCard('Tesla T4', 15360, '7.5', { uuid: 'GPU-t4' }),
  l4: pretendCard('NVIDIA L4', 23034, '8.9', { uuid: 'GPU-l4' }),
  a4000: pretendCard('NVIDIA RTX A4000', 16376, '8.6', { uuid: 'GPU-a4000' }),
  3060: pretendCard('NVIDIA GeForce RTX 3060', 12288, '8.6', { uuid: 'GPU-3060' }),
  4080: pretendCard('NVIDIA GeForce RTX 4080', 16376, '8.9', { uuid: 'GPU-4080', display_active: 'Enabled' }),
  unknown: pretendCard('NVIDIA Mystery 12', 12288, '8.9', { uuid: 'GPU-new' }),
};

describe('on a machine with', () => {
  test.each([
    ['t4', 't4', 'mistral-7b-instruct', 'awq', ['no', 'no', 'fits', 'fits', 'fits', 'fits'], /--dtype half .*--max-num-seqs 16/],
    [
      'l4',
      'l4',
      'llama-3.1-8b-instruct',
      'fp8',
      ['fits', 'fits', 'fits', 'fits', 'fits', 'fits'],
      /--max-num-seqs 64 .*--max-model-len 16384/,
    ],
    ['a4000', 'rtx-a4000', 'llama-3.1-8b-instruct', 'awq', ['fits', 'tight', 'fits', 'fits', 'fits', 'fits'], /--max-num-seqs 32/],
    ['3060', 'rtx-3060', 'qwen2.5-1.5b-instruct-awq', 'awq', ['fits', 'no', 'fits', 'fits', 'fits', 'tight'], /--max-num-seqs 64/],
    [
      '4080',
      'rtx-4080',
      'gemma-3-12b-it',
      'w4a16',
      ['fits', 'tight', 'fits', 'fits', 'fits', 'fits'],
      /--gpu-memory-utilization 0\.9 .*--language-model-only/,
    ],
    [
      'unknown',
      'generic',
      'qwen2.5-1.5b-instruct-awq',
      'awq',
      ['fits', 'no', 'fits', 'fits', 'fits', 'tight'],
      /--gpu-memory-utilization 0\.9 --max-num-seqs 16/,
    ],
  ] as const)(
    'a %s it says the profile, how every model fits, and what would be run',
    async (card, profile, id, variant, verdicts, command) => {
      const vllm = pretendVllm();
      const report = await doctor({ smi: pretendSmi({ cards: [CARDS[card]] }), vllm });
      expect(report).toMatchObject({ ok: true, problems: [], engine: { kind: 'vllm' }, profile: { name: profile, tuning: 'balanced' } });
      expect(report.vllm).toMatchObject({ path: join(vllm, 'vllm'), version: '0.28.0' });
      expect(report.models[0]).toMatchObject({ id, variant, wanted: true, verdict: 'fits' });
      const order = [
        'gemma-3-12b-it',
        'gpt-oss-20b',
        'llama-3.1-8b-instruct',
        'mistral-7b-instruct',
        'qwen2.5-1.5b-instruct-awq',
        'qwen2.5-14b-instruct',
      ];
      expect(order.map((each) => model(report, each).verdict)).toEqual(verdicts);
      for (const each of report.models) expect(each.verdict === 'no' ? each.notes.join(' ') : 'Choose').toContain('Choose');
      expect(report.command?.shell).toMatch(/^VLLM_.* CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=GPU-\w+ vllm serve /);
      expect(report.command?.shell).toMatch(command);
      expect(report.command?.argv).toEqual(expect.arrayContaining(['--served-model-name', id]));
      // It only asked for help.
      expect(readFileSync(join(vllm, 'calls'), 'utf8')).toBe('serve --help=all\n');
      const text = doctorText(report);
      expect(text).toContain(CARDS[card].name);
      expect(text).toContain('Nothing stands in the way.');
    },
  );

  test('different cards it says which model each would have, with the profile of each, and which would be idle', async () => {
    const smi = pretendSmi({ cards: [CARDS.t4, CARDS[3060]] });
    const two = await doctor({ smi, vllm: pretendVllm(), settings: { models: ['qwen2.5-1.5b-instruct-awq', 'gemma-3-12b-it'] } });
    expect(two).toMatchObject({ ok: true, profile: { name: 't4' }, other_profiles: [{ name: 'rtx-3060', tuning: 'balanced' }] });
    expect(two.models.slice(0, 2)).toMatchObject([
      { id: 'qwen2.5-1.5b-instruct-awq', on_gpus: [0], verdict: 'fits', command: { env: { CUDA_VISIBLE_DEVICES: 'GPU-t4' } } },
      { id: 'gemma-3-12b-it', on_gpus: [1], verdict: 'fits', command: { env: { CUDA_VISIBLE_DEVICES: 'GPU-3060' } } },
    ]);
    // What nobody has asked for is shown on the card that it would have.
    expect(model(two, 'mistral-7b-instruct')).toMatchObject({ wanted: false, on_gpus: [0] });
    const text = doctorText(two);
    expect(text).toMatch(/^ +MODEL +GPU +WEIGHTS/m);
    expect(text).toMatch(/^ +\* +gemma-3-12b-it +1 +w4a16/m);
    expect(text).toContain('Profile rtx-3060 (NVIDIA GeForce RTX 3060, 12 GB)');
    expect(text).not.toContain('is not used');
    const one = await doctor({ smi, vllm: pretendVllm() });
    expect(one.warnings).toEqual([expect.stringContaining('GPU 1 (NVIDIA GeForce RTX 3060) is not used')]);
  });

  test('two cards it plans for the first, or for both where a model is to be spread', async () => {
    const smi = pretendSmi({ cards: [CARDS.l4, { ...CARDS.l4, uuid: 'GPU-second' }] });
    const one = await doctor({ smi, vllm: pretendVllm() });
    expect(one.gpus.map(({ uuid }) => uuid)).toEqual(['GPU-l4', 'GPU-second']);
    expect(one.command?.env).toMatchObject({ CUDA_VISIBLE_DEVICES: 'GPU-l4' });
    const spread = { id: 'qwen2.5-14b-instruct', engine: { gpu_mode: 'tensor' } };
    const both = await doctor({ smi, vllm: pretendVllm(), settings: { models: [spread] } });
    expect(both.command?.env).toMatchObject({ CUDA_VISIBLE_DEVICES: 'GPU-l4,GPU-second', NCCL_DEBUG: 'WARN' });
    expect(both.models[0]).toMatchObject({ gpus: 2, verdict: 'fits' });
  });

  test('a MIG instance it plans for that', async () => {
    const card = pretendCard('NVIDIA A100-SXM4-80GB', 81920, '8.0', { uuid: 'GPU-a100', 'mig.mode.current': 'Enabled' });
    const list = 'GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-a100)\n  MIG 3g.40gb     Device  0: (UUID: MIG-1111)\n';
    const report = await doctor({ smi: pretendSmi({ cards: [card], list }), vllm: pretendVllm() });
    expect(report).toMatchObject({ ok: true, profile: { name: 'generic' }, command: { env: { CUDA_VISIBLE_DEVICES: 'MIG-1111' } } });
    expect(report.gpus[0]).toMatchObject({ uuid: 'MIG-1111', memory_gib: 38, free_gib: null });
    expect(report.warnings.join()).toContain('MIG');
  });

  test('a card of which little is known it does its best', async () => {
    const card = { ...CARDS.t4, compute_cap: '[N/A]', 'memory.free': 'N/A', 'power.draw': '[Not Supported]', driver_version: '[N/A]' };
    const report = await doctor({ smi: pretendSmi({ cards: [card] }), vllm: pretendVllm() });
    expect(report).toMatchObject({ ok: true, profile: { name: 't4' } });
    expect(report.gpus[0]).toMatchObject({ compute_cap: null, free_gib: null, power_watts: null, driver: null });
    expect(doctorText(report)).toContain('compute capability unknown');
  });
});

describe('without a GPU', () => {
  test('the simulated engine is what would be run, and nothing stands in its way', async () => {
    const report = await doctor({});
    expect(report).toMatchObject({ ok: true, gpus: [], vllm: null, engine: { kind: 'sim' }, profile: { name: 'none' } });
    expect(report.command?.argv).toEqual(expect.arrayContaining([process.execPath, 'serve']));
    expect(doctorText(report)).toContain('the simulated engine: no NVIDIA GPU was found');
  });

  test('a vLLM that is built for CPUs is called so, with how to use it, and nothing stands in its way', async () => {
    const packages = ['torch-2.13.0.dist-info', 'nvidia_cuda_runtime-13.0.96.dist-info'];
    const vllm = () => pretendVllm('0.32.0+cpu', undefined, undefined, packages);
    const offered = await doctor({ vllm: vllm() });
    expect(offered).toMatchObject({ ok: true, engine: { kind: 'sim' }, vllm: { cuda: null, cpu: true } });
    expect(doctorText(offered)).toContain('vLLM 0.32.0+cpu, built for CPUs');
    expect(offered.warnings.join(' ')).toMatch(/--engine vllm --model FOLDER .* honestly slow/);
    const used = await doctor({ vllm: vllm(), settings: { supervisor: { engine: 'vllm' } } });
    expect(used).toMatchObject({ ok: true, engine: { kind: 'vllm' }, profile: { name: 'cpu' } });
    expect(used.command?.env).toMatchObject({ VLLM_CPU_KVCACHE_SPACE: '4' });
    expect(used.command?.env).not.toHaveProperty('TMPDIR');
    expect(used.warnings.join(' ')).not.toContain('--engine vllm');
  });

  test('a pretended card is told of as one, with its profile', async () => {
    const gpus = [{ ...reading('Tesla T4', 15_360, 7.5), simulated: true }];
    const survey = async () => ({ gpus, problem: null });
    const cards = { survey, read: async () => gpus, apps: async () => [], problem: () => null };
    const report = await doctor({ cards });
    expect(report).toMatchObject({
      ok: true,
      engine: { kind: 'sim' },
      profile: { name: 't4' },
      gpus: [{ name: 'Tesla T4', simulated: true }],
    });
    expect(doctorText(report)).toContain('0: Tesla T4 (simulated), 15 GiB');
  });

  test('a profile can be asked about all the same', async () => {
    const report = await doctor({ settings: { supervisor: { profile: 'l4' }, models: ['gpt-oss-20b'] } });
    expect(report.models[0]).toMatchObject({ id: 'gpt-oss-20b', wanted: true, verdict: 'fits', context_tokens: 32768 });
    expect(report.command?.argv.slice(0, 3)).toEqual(['vllm', 'serve', 'openai/gpt-oss-20b']);
  });

  test('vLLM that is asked for stands alone', async () => {
    const report = await doctor({ settings: { supervisor: { engine: 'vllm' } } });
    expect(report.ok).toBe(false);
    expect(report.problems).toEqual([expect.stringContaining('no program vllm'), expect.stringContaining('there is no GPU')]);
  });

  test('a profile that is not there is an error of the settings', async () => {
    await expect(doctor({ settings: { supervisor: { profile: 't5' } } })).rejects.toThrow(ProfileError);
  });
});

describe('in the way stands', () => {
  test('that there is a card and nothing to run on it', async () => {
    const report = await doctor({ smi: pretendSmi({ cards: [CARDS.t4] }) });
    expect(report).toMatchObject({ ok: false, engine: { kind: 'vllm' }, vllm: null });
    expect(report.problems).toEqual([expect.stringMatching(/GPU \(Tesla T4\) and no program vllm .*pip install vllm/)]);
  });

  const T4 = () => pretendSmi({ cards: [CARDS.t4] });

  test('an nvidia-smi that fails', async () => {
    const smi = smiThat('echo "Failed to initialize NVML: Driver/library version mismatch"; exit 18');
    expect((await doctor({ smi, vllm: pretendVllm() })).problems).toEqual([expect.stringContaining('Driver/library version mismatch')]);
  });

  test('an nvidia-smi that hangs', async () => {
    const smi = smiThat('sleep 600');
    const clock = createFakeClock();
    const report = doctor({ smi, clock });
    while (!existsSync(join(smi, 'calls'))) await new Promise((resolve) => setTimeout(resolve, 5));
    await clock.advance(5000);
    expect(await report).toMatchObject({ ok: false, problems: [expect.stringContaining('did not answer within 5 s')], gpus: [] });
  });

  test('a model that cannot run on the card, with one that can', async () => {
    const report = await doctor({ smi: T4(), vllm: pretendVllm(), settings: { models: ['gemma-3-12b-it', 'mistral-7b-instruct'] } });
    expect(report).toMatchObject({
      ok: false,
      command: null,
      problems: [expect.stringMatching(/bfloat16\. Choose qwen2\.5-14b-instruct\.$/)],
    });
    expect(report.models.slice(0, 2)).toMatchObject([{ verdict: 'no' }, { id: 'mistral-7b-instruct', wanted: true, verdict: 'fits' }]);
  });

  test('a flag that vLLM no longer has, with what took its place', async () => {
    const settings = { models: [{ id: 'mistral-7b-instruct', engine: { swap_space: 4 } }] };
    const report = await doctor({ smi: T4(), vllm: pretendVllm(), settings });
    expect(report.problems).toEqual([expect.stringMatching(/--swap-space: .*kv_offloading_size/)]);
  });

  test('a card that has to be reset', async () => {
    const card = { ...CARDS.t4, 'memory.used': '[GPU requires reset]' };
    const report = await doctor({ smi: pretendSmi({ cards: [card] }), vllm: pretendVllm() });
    expect(report.problems).toEqual([expect.stringMatching(/GPU 0 \(Tesla T4\): .*requires reset/)]);
  });

  test('a process that holds the memory, by its name', async () => {
    const card = { ...CARDS.t4, 'memory.free': '3000' };
    const apps = '4121, GPU-t4, 11469, VLLM::EngineCore\n';
    const report = await doctor({ smi: pretendSmi({ cards: [card], apps }), vllm: pretendVllm() });
    expect(report.problems).toEqual([
      expect.stringMatching(/2\.9 GiB of 14\.6 are free.*VLLM::EngineCore \(process 4121, 11\.2 GiB\).*does not fit/),
    ]);
    expect(report.gpus[0]!.held_by).toEqual([{ pid: 4121, name: 'VLLM::EngineCore', memory_gib: 11.2 }]);
  });

  test('a share that no idle card has free', async () => {
    const settings = { models: [{ id: 'mistral-7b-instruct', engine: { gpu_memory_utilization: 0.98 } }] };
    const report = await doctor({ smi: pretendSmi({ cards: [CARDS.t4] }), vllm: pretendVllm(), settings });
    const says =
      /^gpu_memory_utilization 0\.98 is never free on GPU 0, even when nothing else runs on it.*fits with gpu_memory_utilization 0\.94/;
    expect(report.problems).toEqual([expect.stringMatching(says)]);
  });

  test('too little memory for the profile’s share, though enough for the model', async () => {
    const report = await doctor({ smi: pretendSmi({ cards: [{ ...CARDS.t4, 'memory.free': '12000' }] }), vllm: pretendVllm() });
    expect(report.problems).toEqual([expect.stringMatching(/The model fits with gpu_memory_utilization 0\.75 as well/)]);
  });

  test('a port that somebody listens on', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => void taken.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void taken.close());
    const { port } = taken.address() as { port: number };
    const report = await doctor({ settings: { server: { port }, supervisor: { port_range: [port, port] } } });
    expect(report.problems).toEqual([
      expect.stringContaining('has 0 free ports and 1 are needed'),
      expect.stringContaining(`Port ${port} of server.port`),
    ]);
    expect(report.state.ports_taken).toEqual([port]);
  });

  test.each([
    [
      'that has given its worker up',
      JSON.stringify({
        pid: 1,
        workers: [
          {
            id: 'worker-1',
            url: 'http://127.0.0.1:1',
            state: 'failed',
            lastFailure: { message: 'It was too large.', advice: 'Shrink it.' },
          },
        ],
      }),
      'worker-1 was given up: It was too large. Shrink it.',
    ],
    ['that says nothing', null, 'does not answer'],
    ['that makes no sense', '{', 'does not answer'],
    [
      'whose worker is well',
      JSON.stringify({ pid: 1, workers: [{ id: 'worker-1', url: 'http://127.0.0.1:1', state: 'ready', lastFailure: null }] }),
      null,
    ],
  ])('a supervisor %s', { timeout: 60_000 }, async (_, says, problem) => {
    const cwd = scratchFolder();
    mkdirSync(join(cwd, '.headgate'));
    const control = createHttpServer((_request, answer) => void (says === null || answer.end(says)));
    await new Promise<void>((resolve) => void control.listen(join(cwd, '.headgate/control.sock'), resolve));
    onTestFinished(() => control.closeAllConnections());
    onTestFinished(() => void control.close());
    const report = await doctor({ cwd });
    expect(report.problems).toEqual(problem === null ? [] : [expect.stringContaining(problem)]);
    expect(report.state.supervisor_running).toBe(true);
  });

  test('a folder that is a file', async () => {
    const cwd = scratchFolder();
    writeFileSync(join(cwd, '.headgate'), '');
    expect((await doctor({ cwd })).problems).toEqual([expect.stringContaining('is not a folder')]);
    expect(existsSync(join(cwd, 'logs'))).toBe(false);
  });
});

test('of several models each has its command, with what was relaxed for it after failures', async () => {
  const [cwd, smi, vllm] = [scratchFolder(), pretendSmi({ cards: [CARDS.l4] }), pretendVllm()];
  const stateDir = join(cwd, '.headgate');
  mkdirSync(stateDir);
  const settings = { models: ['mistral-7b-instruct', 'llama-3.1-8b-instruct'], server: { port: 0 } };
  const env = { PATH: `${smi}:${vllm}:/usr/bin:/bin`, HOME: '/root' };
  const { gpus } = await new NvidiaSmi(systemClock, env, []).survey();
  const place = {
    cwd,
    env,
    stateDir,
    vllm: await inspectVllm({ command: ['vllm', 'serve'], env, cwd, cacheFile: null, clock: systemClock }),
  };
  const { spec } = planFleet(settingsSchema.parse(settings), loadProfiles(), gpus, place).workers[0]!.models.get('llama-3.1-8b-instruct')!;
  const step: Relaxation = {
    ...{ setting: 'max_num_seqs', from: '32', to: '16', reason: 'the sampler takes memory for each', class: 'oom-sampler' },
    change: { kind: 'engine', key: 'max_num_seqs', value: 16 },
  };
  const footing = { ...LEVEL_GROUND, steps: [step] };
  const file = ladderFile(stateDir, spec);
  ladderRecord(spec, file).append({ atMs: 0, change: 'relaxed', step, failure: null, measured: {}, version: null, footing });

  const report = await doctor({ smi, vllm, cwd, settings });
  const sequences = (id: string) => /--max-num-seqs (\d+)/.exec(model(report, id).command!.shell)![1];
  expect(report.command).toEqual(model(report, 'mistral-7b-instruct').command);
  expect(Number(sequences('mistral-7b-instruct'))).toBeGreaterThan(16);
  expect(sequences('llama-3.1-8b-instruct')).toBe('16');
  expect(model(report, 'qwen2.5-14b-instruct').command!.shell).toContain('--served-model-name qwen2.5-14b-instruct');
  expect(report.warnings.join()).toMatch(
    /After failures llama-3\.1-8b-instruct starts with max_num_seqs 16 instead of 32; "headgate restart/,
  );
  const text = doctorText(report);
  expect(text.match(/^Command.*/gm)).toEqual(['Command for mistral-7b-instruct', 'Command for llama-3.1-8b-instruct']);
});

describe('worth knowing are', () => {
  const warnings = async (machine: Machine) => (await doctor(machine)).warnings.join('\n');

  test('a vLLM too old for the profile', async () => {
    const old = await doctor({ smi: pretendSmi({ cards: [CARDS.t4] }), vllm: pretendVllm('0.23.1') });
    expect(old.warnings.join()).toContain('vLLM 0.23.1 is older than 0.24');
    expect(old.command?.argv).toEqual(expect.arrayContaining(['--attention-backend', 'TRITON_ATTN']));
  });

  test('variables that vLLM does not heed', async () => {
    expect(await warnings({ env: { VLLM_ATTENTION_BACKEND: 'AUTO' } })).toContain('attention_backend');
  });

  test('that nobody can say how a model fits: then nothing is known to stand in the way', async () => {
    const smi = pretendSmi({ cards: [CARDS.l4] });
    const env = { HF_ENDPOINT: 'http://127.0.0.1:1', HF_HOME: '/nowhere' };
    const report = await doctor({ smi, vllm: pretendVllm(), settings: { models: ['acme/anything'] }, env });
    expect(report.ok).toBe(true);
    expect(report.models[0]).toMatchObject({ id: 'acme/anything', verdict: 'unknown' });
    expect(report.warnings.join()).toContain('How acme/anything fits is not known: 127.0.0.1:1 cannot be asked');
    const text = doctorText(report);
    expect(text).toContain('Nothing is known to stand in the way; whether acme/anything fits nobody can say.');
    expect(text).not.toContain('Nothing stands in the way.');
    const missing = await doctor({ smi, vllm: pretendVllm(), settings: { models: ['/models/nothing'] } });
    expect(missing).toMatchObject({ ok: false, problems: ['nothing cannot be had: there is no folder /models/nothing.'] });
  });

  test('weights that need a token', async () => {
    const smi = pretendSmi({ cards: [CARDS.l4] });
    const settings = { models: [{ id: 'llama-3.1-8b-instruct', source: 'meta-llama/Llama-3.1-8B-Instruct' }] };
    const report = await doctor({ smi, vllm: pretendVllm(), settings });
    expect(report.models[0]).toMatchObject({ variant: 'bf16', weights_gib: 14.96, verdict: 'fits' });
    expect(report.warnings.join()).toContain('meta-llama/Llama-3.1-8B-Instruct is gated');
    expect(await warnings({ smi, vllm: pretendVllm(), settings, env: { HF_TOKEN: 'hf_x' } })).not.toContain('gated');
  });

  test('processes that an earlier run left behind', async () => {
    const cwd = scratchFolder();
    mkdirSync(join(cwd, '.headgate'));
    const { instancePrefix } = await import('../../../supervisor/system/instance-id.ts');
    const mark = `${instancePrefix(join(cwd, '.headgate'))}worker-1:1`;
    await using left = run('sleep', ['600'], { env: { HEADGATE_INSTANCE_ID: mark } });
    // Its environment is there once it runs.
    const report = await until(
      () => doctor({ cwd }),
      ({ state }) => state.leftovers.length > 0,
    );
    expect(report.state.leftovers).toEqual([left.child.pid]);
    expect(report.warnings.join()).toContain(`Processes ${left.child.pid} are left`);
  });
});

async function until<T>(attempt: () => Promise<T>, wanted: (result: T) => boolean): Promise<T> {
  for (;;) {
    const result = await attempt();
    if (wanted(result)) return result;
  }
}

describe('the command', () => {
  const CLI = fileURLToPath(new URL('../../../scripts/headgate.ts', import.meta.url));

  test('prints JSON and says by its exit code whether something stands in the way', async () => {
    const path = `${pretendSmi({ cards: [CARDS.t4] })}:${pretendVllm()}:/usr/bin:/bin`;
    const ask = async (...args: string[]) => {
      await using program = run(process.execPath, [CLI, 'doctor', '--port', '0', '--json', ...args], {
        cwd: scratchFolder(),
        env: { PATH: path },
      });
      return { code: await program.exited, report: JSON.parse(program.output()) as DoctorReport };
    };
    expect(await ask()).toMatchObject({ code: 0, report: { ok: true, profile: { name: 't4' } } });
    expect(await ask('--model', 'gpt-oss-20b')).toMatchObject({ code: 1, report: { ok: false, command: null } });
  });
});

import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { AS_ADMIN } from '../support/admin.ts';
import { gpuHouse } from '../support/gpu-house.ts';
import type { HouseCards } from '../support/gpu-house.ts';
import { run } from '../support/process.ts';
import { freePort } from '../support/ports.ts';
import { houseWith, superviseHouse } from '../supervisor/support/house-supervisor.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));

interface Case {
  readonly card: HouseCards[number];
  readonly name: string;
  readonly mib: number;
  readonly profile: string;
  readonly model: string;
  /** Of its command line, in this order. */
  readonly flags: string;
}

const T4: Case = {
  card: 't4',
  ...{ name: 'Tesla T4', mib: 15_360, profile: 't4', model: 'mistral-7b-instruct' },
  flags:
    '--dtype half --gpu-memory-utilization 0.9 --max-num-seqs 16 --max-num-batched-tokens 2048 --max-model-len 8192 --max-cudagraph-capture-size 32',
};

const OTHERS: readonly Case[] = [
  {
    card: 'l4',
    ...{ name: 'NVIDIA L4', mib: 23_034, profile: 'l4', model: 'llama-3.1-8b-instruct' },
    flags: '--gpu-memory-utilization 0.92 --max-num-seqs 64 --max-num-batched-tokens 2048 --max-model-len 16384',
  },
  {
    card: 'rtx-a4000',
    ...{ name: 'NVIDIA RTX A4000', mib: 16_376, profile: 'rtx-a4000', model: 'llama-3.1-8b-instruct' },
    flags: '--gpu-memory-utilization 0.92 --max-num-seqs 32 --max-num-batched-tokens 2048 --max-model-len 8192',
  },
  {
    card: 'rtx-3060',
    ...{ name: 'NVIDIA GeForce RTX 3060', mib: 12_288, profile: 'rtx-3060', model: 'qwen2.5-1.5b-instruct-awq' },
    flags: '--gpu-memory-utilization 0.9 --max-num-seqs 64 --max-num-batched-tokens 2048 --max-model-len 32768',
  },
  {
    card: 'rtx-4080',
    ...{ name: 'NVIDIA GeForce RTX 4080', mib: 16_376, profile: 'rtx-4080', model: 'gemma-3-12b-it' },
    flags: '--gpu-memory-utilization 0.92 --max-num-seqs 8 --max-num-batched-tokens 1024 --max-model-len 8192 --language-model-only',
  },
  {
    card: { name: 'NVIDIA RTX Next 12', memory_total_mib: 12_227, compute_cap: 12 },
    ...{ name: 'NVIDIA RTX Next 12', mib: 12_227, profile: 'generic', model: 'qwen2.5-1.5b-instruct-awq' },
    flags: '--gpu-memory-utilization 0.9 --max-num-seqs 16 --max-num-batched-tokens 2048 --max-model-len 32768',
  },
];

async function get(url: string): Promise<any> {
  const response = await fetch(url, { headers: AS_ADMIN });
  const text = await response.text();
  return text.startsWith('{') ? JSON.parse(text) : text;
}

describe('a real vLLM on the card that is found, with no settings at all', () => {
  test('is started by headgate, answers, and is told of', { timeout: 180_000 }, async () => {
    const { card, name, mib, profile, model, flags } = T4;
    const folder = scratchFolder();
    const house = gpuHouse(folder, [card]);
    const { uuid } = house.cards()[0]!;
    const [port, engine] = [await freePort(), await freePort(11)];
    await using headgate = run(process.execPath, [CLI, '--port', String(port)], {
      cwd: folder,
      env: { PATH: house.path, HEADGATE_SUPERVISOR__PORT_RANGE: `[${engine}, ${engine + 9}]` },
    });
    const [line] = await headgate.prints(/Headgate is ready on .*/);
    expect(line).toContain(`model ${model} · engine vLLM 0.32.0`);
    expect(line).toContain(`profile ${profile}`);
    expect(line).not.toContain('simulated (');

    const url = `http://127.0.0.1:${port}`;
    const status = await get(`${url}/admin/status`);
    expect(status).toMatchObject({ profile, engine: { kind: 'vllm', simulated: false }, gpus: [{ index: 0, uuid, name }] });
    expect(status.gpus[0].memory_total_bytes).toBe(mib * 2 ** 20);
    expect(status.workers).toMatchObject([{ state: 'ready', stage: 'ready', restarts: 0, degradation: [], last_failure: null }]);
    expect(status.workers[0].engine_args.join(' ')).toContain(flags);

    // One start, of what status shows, on this card and no other.
    expect(house.launches()).toEqual([
      { pid: status.workers[0].pid, devices: uuid, order: 'PCI_BUS_ID', args: status.workers[0].engine_args },
    ]);
    const metrics = await get(`${url}/metrics`);
    expect(metrics).toContain(`headgate_gpu_memory_total_bytes{gpu="0"} ${mib * 2 ** 20}\n`);
    expect(metrics).toMatch(/^headgate_gpu_memory_used_bytes\{gpu="0"\} \d+$/m);
    expect(metrics).toMatch(new RegExp(`^headgate_model_info\\{model="${model}".*gpu="${name}",.*profile="${profile}"`, 'm'));

    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ messages: [{ role: 'user', content: 'Hello' }], max_tokens: 4 }),
    });
    expect(answer.status).toBe(200);

    process.kill(headgate.child.pid!, 'SIGINT');
    expect(await headgate.exited).toBe(0);
    expect(house.cards()[0]!.holders).toEqual([]);
  });

  test.each(OTHERS)('is started with what fits $name, once', { timeout: 180_000 }, async ({ card, name, mib, profile, model, flags }) => {
    const house = houseWith([card]);
    const supervisor = await superviseHouse(house, { settings: { models: [] } });
    const view = await supervisor.worker(({ state }) => state === 'ready');
    const { uuid } = house.cards()[0]!;
    expect(await supervisor.state()).toMatchObject({
      profile,
      engine: 'vllm',
      gpus: [{ index: 0, uuid, name, memoryTotalBytes: mib * 2 ** 20 }],
    });
    expect(view).toMatchObject({ models: [{ id: model }], restarts: 0, degradation: [], lastFailure: null });
    expect(view.args.join(' ')).toContain(flags);
    expect(house.launches()).toEqual([{ pid: view.pid, devices: uuid, order: 'PCI_BUS_ID', args: view.args }]);
  });
});

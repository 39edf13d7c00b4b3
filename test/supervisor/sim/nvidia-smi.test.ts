import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runNvidiaSmi } from '../../../supervisor/sim/nvidia-smi.ts';
import { newVram } from '../../../supervisor/sim/card/vram-file.ts';
import { writeNvidiaSmi } from '../../support/nvidia-smi.ts';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'smi-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const CSV = '--format=csv,noheader,nounits';

async function smi(args: readonly string[], env: Record<string, string> = { SIM_GPU: 't4' }): Promise<{ status: number; text: string }> {
  let text = '';
  const status = await runNvidiaSmi(args, env, (more) => (text += more));
  return { status, text };
}

/** A machine's file with somebody on the first card. */
function occupied(): string {
  const path = join(folder, 'vram.json');
  const vram = newVram(['t4', 'l4']);
  const shared = { starttime: null, release_ms: 0, ended_at_ms: null };
  vram.gpus[0]!.holders.push(
    { ...shared, pid: process.pid, title: 'VLLM::EngineCore', mib: 4000.4 },
    { ...shared, pid: null, title: 'desktop', mib: 500 },
  );
  writeFileSync(path, JSON.stringify(vram));
  return path;
}

describe('the pretend nvidia-smi', () => {
  test.each([
    ['t4', 'Tesla T4, 15360, 7.5, Enabled, [N/A], 70.00, [N/A]'],
    ['l4', 'NVIDIA L4, 23034, 8.9, Enabled, [N/A], 72.00, [N/A]'],
    ['rtx-a4000', 'NVIDIA RTX A4000, 16376, 8.6, Disabled, [N/A], 140.00, 30'],
    ['rtx-3060', 'NVIDIA GeForce RTX 3060, 12288, 8.6, [N/A], [N/A], 170.00, 30'],
    ['rtx-4080', 'NVIDIA GeForce RTX 4080, 16376, 8.9, [N/A], [N/A], 320.00, 30'],
    ['h100', 'NVIDIA H100 80GB HBM3, 81559, 9.0, Enabled, Disabled, 700.00, [N/A]'],
  ])('says of a %s what the real one says', async (gpu, expected) => {
    const query = '--query-gpu=name,memory.total,compute_cap,ecc.mode.current,mig.mode.current,power.limit,fan.speed';
    expect(await smi([query, CSV], { SIM_GPU: gpu })).toEqual({ status: 0, text: `${expected}\n` });
  });

  test('answers every field that a supervisor asks for, a line a card', async () => {
    const query =
      '--query-gpu=index,uuid,name,pci.bus_id,memory.total,memory.reserved,memory.used,memory.free,compute_cap,driver_version,ecc.mode.current,' +
      'mig.mode.current,display_active,utilization.gpu,temperature.gpu,power.draw,power.limit,clocks_throttle_reasons.active';
    const { text } = await smi([query, CSV], { SIM_VRAM_FILE: occupied() });
    const rows = text.trimEnd().split('\n');
    expect(rows).toHaveLength(2);
    for (const row of rows) expect(row.split(', ')).toHaveLength(18);
    const [, , , bus, total, reserved, used, free] = rows[0]!.split(', ');
    expect([bus, total, reserved, used, free]).toEqual(['00000000:01:00.0', '15360', '451', '4500', '10409']);
  });

  test('adds header and units unless told not to', async () => {
    expect((await smi(['--query-gpu=name,memory.total,utilization.gpu', '--format=csv'])).text).toBe(
      'name, memory.total [MiB], utilization.gpu [%]\nTesla T4, 15360 MiB, 0 %\n',
    );
  });

  test('refuses a field that it does not know, and with it the whole query', async () => {
    expect(await smi(['--query-gpu=name,warp_factor', CSV])).toEqual({
      status: 2,
      text: 'Field "warp_factor" is not a valid field to query.\n\n',
    });
    const old = { SIM_GPU: 't4', SIM_SMI_UNKNOWN_FIELDS: 'compute_cap,memory.reserved' };
    expect(await smi(['--query-gpu=name,compute_cap', CSV], old)).toMatchObject({ status: 2 });
    expect(await smi(['--query-gpu=name', CSV], old)).toEqual({ status: 0, text: 'Tesla T4\n' });
  });

  test('lists who holds memory and can be seen', async () => {
    const SIM_VRAM_FILE = occupied();
    const apps = await smi(['--query-compute-apps=pid,gpu_uuid,used_memory,process_name', CSV], { SIM_VRAM_FILE });
    expect(apps.text).toMatch(new RegExp(`^${process.pid}, GPU-[-0-9a-f]{36}, 4000, VLLM::EngineCore\n$`));
    expect((await smi(['--query-compute-apps=pid', CSV])).text).toBe('');
  });

  test('looks at one card when asked for one', async () => {
    const env = { SIM_GPU: 't4,l4' };
    expect((await smi(['-i', '1', '--query-gpu=name', CSV], env)).text).toBe('NVIDIA L4\n');
    const uuid = (await smi(['--query-gpu=uuid', CSV], env)).text.split('\n')[0]!;
    expect((await smi([`--id=${uuid}`, '--query-gpu=index,count', CSV], env)).text).toBe('0, 2\n');
  });

  test('lists cards and, where a card is cut up, its parts', async () => {
    expect((await smi(['-L'], { SIM_GPU: 't4,l4' })).text).toMatch(
      /^GPU 0: Tesla T4 \(UUID: GPU-[-0-9a-f]{36}\)\nGPU 1: NVIDIA L4 \(UUID: GPU-[-0-9a-f]{36}\)\n$/,
    );
    const cut = { SIM_GPU: 'h100', SIM_SMI_VALUES: 'mig.mode.current=Enabled' };
    expect((await smi(['-L'], cut)).text).toMatch(/\n {2}MIG 3g\.20gb {5}Device {2}0: \(UUID: MIG-[-0-9a-f]{36}\)\n$/);
    expect((await smi(['--query-gpu=mig.mode.current', CSV], cut)).text).toBe('Enabled\n');
  });

  test('says for single fields what it is told to', async () => {
    const SIM_SMI_VALUES = 'power.draw=[N/A];temperature.gpu=ERR!;utilization.gpu=87';
    const { text } = await smi(['--query-gpu=power.draw,temperature.gpu,utilization.gpu,name', '--format=csv,noheader'], {
      SIM_GPU: 't4',
      SIM_SMI_VALUES,
    });
    expect(text).toBe('[N/A], ERR!, 87 %, Tesla T4\n');
  });

  test('writes XML with the memory and the processes', async () => {
    const { text } = await smi(['-q', '-x'], { SIM_VRAM_FILE: occupied() });
    expect(text).toContain('<attached_gpus>2</attached_gpus>');
    expect(text).toContain('<used>4500 MiB</used>');
    expect(text).toContain(`<pid>${process.pid}</pid>`);
    expect(text.match(/<gpu id=/g)).toHaveLength(2);
  });

  test.each([
    ['no-driver', 9, "couldn't communicate with the NVIDIA driver"],
    ['mismatch', 18, 'Driver/library version mismatch'],
    ['no-devices', 6, 'No devices were found'],
  ])('fails as %s with the exit status %d', async (fault, status, words) => {
    const answer = await smi(['-L'], { SIM_GPU: 't4', SIM_SMI_FAULT: fault });
    expect(answer.status).toBe(status);
    expect(answer.text).toContain(words);
  });

  test('is found on the PATH as a program of that name, goes on and on with a loop, and can hang', async () => {
    const PATH = writeNvidiaSmi(folder, { SIM_GPU: 'rtx-3060' });
    const hung = spawn('nvidia-smi', ['-L'], { env: { PATH, SIM_SMI_FAULT: 'hang' } });
    let printed = '';
    hung.stdout.on('data', (more) => (printed += String(more)));
    const loop = spawn('nvidia-smi', ['--query-gpu=name', CSV, '-lms', '5'], { env: { PATH } });
    let text = '';
    loop.stdout.on('data', (more) => (text += String(more)));
    await expect.poll(() => text, { timeout: 60_000 }).toMatch(/^(?:NVIDIA GeForce RTX 3060\n){3}/);
    expect([hung.exitCode, printed]).toEqual([null, '']);
    const ended = Promise.all([once(hung, 'exit'), once(loop, 'exit')]);
    loop.kill();
    hung.kill('SIGKILL');
    await ended;
  });
});

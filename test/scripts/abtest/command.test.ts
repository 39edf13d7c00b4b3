import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { AS_ADMIN } from '../../support/admin.ts';
import { answers, type FakeVllm, startFakeVllm } from '../../support/fake-vllm.ts';
import { run, type RunningProcess } from '../../support/process.ts';

const CLI = fileURLToPath(new URL('../../../scripts/headgate.ts', import.meta.url));
const LOAD = ['--rate', '20', '--slot', '500ms', '--settle', '200ms', '--judge', 'ttft:p50'];

interface Told {
  readonly valid: boolean;
  readonly interrupted: boolean;
  readonly stopped: string | null;
  readonly keep: string;
  readonly blocks: { readonly whole: number };
  readonly comparisons: readonly { readonly shown: string; readonly effect: number }[];
  readonly slots: readonly { readonly arm: string }[];
}

describe('headgate abtest on a gateway that runs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-abtest-'));
  let worker: FakeVllm;
  let gateway: RunningProcess;
  let url = '';
  beforeAll(async () => {
    worker = await startFakeVllm();
    worker.script = answers.stream(['a', 'b', 'c'], 5);
    writeFileSync(join(folder, 'headgate.yaml'), stringify({ server: { port: 0 }, workers: [{ url: worker.url }] }));
    gateway = run(process.execPath, [CLI, 'gateway'], { cwd: folder });
    [, url = ''] = await gateway.prints(/is ready on (http:\/\/[\d.:]+)/);
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await worker[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const abtest = (args: readonly string[], env: Record<string, string> = {}) =>
    run(process.execPath, [CLI, 'abtest', ...LOAD, ...args], { cwd: folder, env });
  const told = (out: string): Told => JSON.parse(readFileSync(join(folder, out, 'result.json'), 'utf8')) as Told;
  const order = (body: object): Promise<Response> =>
    fetch(`${url}/admin/trial`, {
      method: 'POST',
      headers: { ...AS_ADMIN, 'content-type': 'application/json', connection: 'close' },
      body: JSON.stringify(body),
    });
  const isTried = async (): Promise<boolean> =>
    (await (await fetch(`${url}/admin/config`, { headers: { ...AS_ADMIN, connection: 'close' } })).text()).includes('tried by');

  test('finds an effect that is there, tells which to keep, and leaves nothing laid over', async () => {
    // Of ten blocks one may lie in a moment in which the machine stood still; of seven none might.
    await using command = abtest([url, '--window', '0,900', '--slots', '10', '--out', 'found']);
    const code = await command.exited;
    const result = told('found');
    expect(code, command.output()).toBe(result.valid ? 0 : 1);
    expect(result.blocks.whole, command.output()).toBe(10);
    expect(result.comparisons).toMatchObject([{ shown: 'worse' }]);
    expect(result.keep).toBe('0 ms');
    expect(command.output()).toMatch(/900 ms: p50 TTFT \+\d+ ms \[\d+, \d+\]\.\n/);
    expect(command.output()).toContain('Guardrail: p95 to the first token 0 ms');
    expect(await isTried()).toBe(false);
    const page = readFileSync(join(folder, 'found/report.html'), 'utf8');
    expect(page).not.toMatch(/<script|src=|https?:\/\/(?!127\.0\.0\.1)|@import/);
    expect(page).toContain('class="forest bad"');
  });

  test('is refused while another tries settings, with his name', async () => {
    expect((await order({ owner: 'somebody', settings: { 'batch_window.window_ms': 5 }, seconds: 60 })).status).toBe(202);
    expect(await isTried()).toBe(true);
    await using command = abtest([url, '--window', '0,20', '--out', 'refused']);
    expect(await command.exited).toBe(1);
    expect(command.output()).toContain('somebody tries settings at the moment');
    expect((await order({ owner: 'somebody', end: true })).status).toBe(202);
  });

  test('says which setting cannot be tried, and which key it lacks', async () => {
    await using wrong = abtest([url, '--set', 'auth.required=1,2']);
    expect(await wrong.exited).toBe(1);
    expect(wrong.output()).toContain('auth.required cannot be tried');
    await using locked = abtest([url, '--window', '0,20'], { HEADGATE_ADMIN__KEY: 'another-key-of-somebody' });
    expect(await locked.exited).toBe(1);
    expect(locked.output()).toContain('has another admin key');
  });

  test('the same server twice needs no key, and models that are not there end it', async () => {
    await using command = abtest(['--urls', `${url},${url}`, '--slots', '2', '--out', 'twice'], {
      HEADGATE_ADMIN__KEY: 'another-key-of-somebody',
    });
    await command.exited;
    expect(told('twice')).toMatchObject({ blocks: { whole: 2, fewest: 6 }, comparisons: [{ shown: 'unknown' }], why: 'unknown' });
    expect(command.output()).toContain('2 blocks are too few to show any difference with such confidence: 6 are the fewest');
    // Or that the machine stood still, which is told instead.
    expect(command.output()).toMatch(
      /2 blocks are too few to show anything: 6 are the fewest|INVALID: .*the machine that sends is too slow/,
    );
    await using strange = abtest([url, '--models', 'fake,nobody']);
    expect(await strange.exited).toBe(1);
    expect(strange.output()).toMatch(/The first call for \w+ to .* failed \(404/);
  });

  test('Ctrl-C tells what there is, and ends the trial', async () => {
    const before = worker.requests.length;
    await using command = abtest([url, '--window', '0,20', '--slots', '500', '--out', 'cut']);
    await expect.poll(() => worker.requests.length - before, { timeout: 60_000 }).toBeGreaterThan(60);
    command.child.kill('SIGINT');
    expect(await command.exited, command.output()).toBe(1);
    expect(told('cut').interrupted).toBe(true);
    expect(command.output()).toMatch(/It was interrupted; \d+ of 500 blocks are whole\./);
    expect(await isTried()).toBe(false);
  });

  test('a gateway that dies in the middle ends it with words', async () => {
    const before = worker.requests.length;
    await using command = abtest([url, '--window', '0,20', '--slots', '500', '--out', 'died']);
    await expect.poll(() => worker.requests.length - before, { timeout: 60_000 }).toBeGreaterThan(60);
    gateway.child.kill('SIGKILL');
    expect(await command.exited, command.output()).toBe(1);
    expect(told('died').stopped).toMatch(/does not answer any more/);
    expect(command.output()).toMatch(/It ended before its time: .* does not answer any more \(\w+\)\. \d+ of 500 blocks are whole\./);
  });
});

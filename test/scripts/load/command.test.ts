import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readLoadOptions } from '../../../scripts/load/options.ts';
import { KnownDelays } from '../../../scripts/load/stub/known-delays.ts';
import { run } from '../../support/process.ts';

const PROGRAM = fileURLToPath(new URL('../../../scripts/headgate.ts', import.meta.url));
const headgate = (args: readonly string[], cwd: string) => run(process.execPath, [PROGRAM, 'load', ...args], { cwd });

describe('headgate load', () => {
  let stub: KnownDelays;
  let base = '';
  const cwd = mkdtempSync(join(tmpdir(), 'headgate-load-'));
  beforeAll(async () => {
    stub = new KnownDelays({ ttftMs: 30, tokenMs: 5, sigma: 0.2, seed: 1 });
    base = await stub.listen();
  });
  afterAll(() => {
    stub.close();
    rmSync(cwd, { recursive: true, force: true });
  });

  test('tells a table, and leaves a result and a page that needs nothing else', async () => {
    await using load = headgate(
      [base, '--rate', '20', '--duration', '2s', '--output', '8', '--out', 'here', '--save-calls', '--slo', 'ttft:5000', 'e2e:9000'],
      cwd,
    );
    const code = await load.exited;
    // A machine that is kept waiting for half a second in these two sends late, and is told so: there is nothing else to object to.
    const objections = load.output().match(/^INVALID .*$/gm) ?? [];
    expect(
      objections.filter((line) => !line.includes('the machine that sends is too slow')),
      load.output(),
    ).toEqual([]);
    const valid = objections.length === 0;
    expect(code, load.output()).toBe(valid ? 0 : 1);
    expect(load.output()).toMatch(/TTFT .*\nTPOT .*\nITL .*\nE2E /);
    expect(load.output()).toMatch(/goodput +\d+\.?\d* calls\/s within ttft 5,000 ms, e2e 9,000 ms \(100(?:\.0)? % of all\)/);
    const result = JSON.parse(readFileSync(join(cwd, 'here/result.json'), 'utf8')) as Record<string, unknown>;
    expect(result).toMatchObject({ model_id: 'known-delays', num_prompts: 40, completed: 40, failed: 0, total_output_tokens: 320 });
    expect(result['headgate']).toMatchObject({ kind: 'load', valid, interrupted: false, slo: { ttft: 5000, e2e: 9000 } });
    expect((result['headgate'] as { calls: unknown[] }).calls).toHaveLength(40);
    const page = readFileSync(join(cwd, 'here/report.html'), 'utf8');
    expect(page).not.toMatch(/<script|src=|https?:\/\/(?!127\.0\.0\.1)|@import/);
    expect(page.match(/<svg/g)).toHaveLength(4);
  });

  test('writes JSON alone to standard output when asked to', async () => {
    await using load = headgate([base, '--clients', '2', '--calls', '6', '--json', '--out', 'json'], cwd);
    expect(await load.exited, load.output()).toBe(0);
    expect(load.output()).toContain('"max_concurrency": 2');
  });

  test('a first Ctrl-C tells what there is', async () => {
    await using load = headgate([base, '--rate', '20', '--duration', '10m', '--out', 'cut'], cwd);
    await expect.poll(() => stub.told().e2e.length).toBeGreaterThan(60);
    load.child.kill('SIGINT');
    expect(await load.exited, load.output()).toBe(1);
    const { headgate: own } = JSON.parse(readFileSync(join(cwd, 'cut/result.json'), 'utf8')) as { headgate: Record<string, unknown> };
    expect(own['interrupted']).toBe(true);
    expect(load.output()).toContain('INTERRUPTED  before its end');
    // Of ten minutes only the first seconds were sent: over the whole of them that would be one call in ten seconds.
    expect(own['achieved_rate']).toBeGreaterThan(2);
  });

  test('a first call that fails ends it before anything is measured', async () => {
    await using load = headgate(['http://127.0.0.1:9'], cwd);
    expect(await load.exited).toBe(1);
    expect(load.output()).toContain('Nothing answers on http://127.0.0.1:9 (ECONNREFUSED)');
  });

  test('a file with a mistake is named with its line', async () => {
    writeFileSync(join(cwd, 'prompts.jsonl'), '{"prompt":"a"}\n{"text":"b"}\n');
    await using load = headgate([base, '--prompts', 'prompts.jsonl'], cwd);
    expect(await load.exited).toBe(1);
    expect(load.output()).toContain('prompts.jsonl:2: this is no prompt');
  });
});

describe('its command line', () => {
  const read = (line: string) =>
    readLoadOptions(
      line.split(' ').filter((word) => word !== ''),
      {},
    );
  test.each([
    ['--rate 0', '--rate must be a number from 0.001'],
    ['--rate 5 --clients 3', '--rate and --clients are different loads'],
    ['--rate 5 --calls 5 --duration 5s', 'one too many'],
    ['--constant --burstiness 2', '--constant has no bursts'],
    ['--ramp 5', '--ramp is written FROM:TO'],
    ['--ramp 0:0', 'never sends a call'],
    ['--steps 5,x', '--steps must be a number'],
    ['--duration 5d', '--duration is a time'],
    ['--trace f --input 5', 'a trace says how long prompts are; leave out --input'],
    ['--prompts f --output 5', 'leave out --output'],
    ['--input much', '--input is a number of tokens'],
    ['--prefix-tokens 5', '--prefix-tokens needs --prefix-groups'],
    ['--cancel 2', '--cancel must be a number from 0 to 1'],
    ['--slo fast:5', 'is no objective'],
    ['--extra []', '--extra must be a JSON object'],
    ['--header secret-without-a-colon', '--header is written NAME: VALUE'],
    ['ftp://a', 'is no URL'],
    ['http://u:p@a', 'a URL with a password ends up in reports'],
    ['http://a http://b', 'one URL at most'],
    ['--endpoint rerank', '--endpoint is one of chat, completions, embeddings'],
    ['--rates 5', "Unknown option '--rates'"],
  ])('%s', (line, problem) => {
    const got = read(line);
    expect(got).toMatchObject({ kind: 'usage' });
    expect(got.kind === 'usage' && got.problem).toContain(problem);
  });

  test('a key comes from a flag or the environment, and headers by name', () => {
    const own = readLoadOptions(['--header', 'X-A: b: c'], { OPENAI_API_KEY: 'k' });
    expect(own).toMatchObject({ kind: 'options', options: { key: 'k', headers: { 'x-a': 'b: c' }, stream: true } });
    expect(read('--endpoint embeddings')).toMatchObject({ options: { stream: false } });
    expect(read('--steps 5,50:2s --duration 10s')).toMatchObject({
      options: {
        schedule: {
          stages: [
            { from: 5, to: 5, seconds: 10 },
            { from: 50, to: 50, seconds: 2 },
          ],
        },
      },
    });
  });
});

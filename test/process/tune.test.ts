import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { run } from '../support/process.ts';

const PROGRAM = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));
const SIM = { SIM_GPU: 't4', SIM_SPEED: '0.02', SIM_START_MS: '50', SIM_STOP_MS: '10' };
/** The larger step leaves nothing of the cache. */
const GRID = ['--grid', 'max-num-seqs=4,8', '--grid', 'max-num-batched-tokens=1024,32768'];
const FLAGS = [
  '--model',
  'qwen2.5-14b-instruct',
  '--engine',
  'sim',
  ...GRID,
  '--quick',
  '--duration',
  '300ms',
  '--output',
  '8',
  '--slo',
  'e2e:60000',
];

interface Result {
  readonly launches: number;
  readonly interrupted: boolean;
  readonly best: { readonly point: { readonly flags: Readonly<Record<string, number>> } } | null;
  readonly overlay: { readonly name: string; readonly serves: boolean | null; readonly problem: string | null } | null;
  readonly results: readonly { readonly outcome: string; readonly failureClass: string | null; readonly point: { readonly key: string } }[];
  readonly skipped: readonly { readonly why: string }[];
}

function place() {
  const cwd = mkdtempSync(join(tmpdir(), 'headgate-tune-'));
  onTestFinished(() => rmSync(cwd, { recursive: true, force: true, maxRetries: 5 }));
  const tune = (...more: readonly string[]) => run(process.execPath, [PROGRAM, 'tune', ...FLAGS, ...more], { cwd, env: SIM });
  const runs = () => readdirSync(join(cwd, 'experiments/runs')).map((name) => join(cwd, 'experiments/runs', name));
  const resultOf = (folder: string) => JSON.parse(readFileSync(join(folder, 'result.json'), 'utf8')) as Result;
  /** Processes that work in the folder, but for this one. */
  const there = () =>
    readdirSync('/proc').filter((pid) => {
      try {
        return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/cwd`) === cwd;
      } catch {
        return false;
      }
    });
  return { cwd, tune, runs, resultOf, there };
}

describe('headgate tune on a simulated card', { timeout: 300_000 }, () => {
  test('meets an OOM, rules out what must be worse, goes on after kill -9, and leaves a tuning that serves', async () => {
    const { tune, runs, resultOf, there, cwd } = place();
    {
      await using first = tune();
      await first.prints(/^max_num_seqs=4 max_num_batched_tokens=1024: \d/m, 120_000);
      await expect.poll(() => journal(runs()[0]!).filter(({ kind }) => kind === 'launched').length, { timeout: 60_000 }).toBe(2);
      first.child.kill('SIGKILL');
      expect(await first.exited).toBe('SIGKILL');
    }
    expect(there()).not.toEqual([]);

    await using second = tune();
    expect(await second.exited, second.output()).toBe(0);
    expect(second.output()).toMatch(/goes on with .*, which was cut short after 1 of 4 points/);
    expect(second.output()).toMatch(/max_num_seqs=8 max_num_batched_tokens=1024 was under way/);
    const [folder, ...others] = runs();
    expect(others).toEqual([]);
    const { launches, results, skipped, best, overlay } = resultOf(folder!);
    expect(launches).toBe(3);
    expect(results.map(({ outcome }) => outcome)).toEqual(['ok', 'ok', 'oom']);
    expect(results[2]).toMatchObject({ failureClass: expect.stringMatching(/^(oom-|kv-too-small)/) });
    expect(skipped).toEqual([expect.objectContaining({ why: expect.stringContaining('ran out of memory') })]);
    expect(best?.point.flags).toMatchObject({ max_num_batched_tokens: 1024 });
    expect(overlay).toEqual({ name: 'tuned-qwen2.5-14b-instruct-t4', file: expect.any(String), serves: true, problem: null });
    expect(readFileSync(join(folder!, 'report.html'), 'utf8')).toMatch(/OOM.*ruled out/s);
    expect(there()).toEqual([]);

    await using doctor = run(
      process.execPath,
      [PROGRAM, 'doctor', '--model', 'qwen2.5-14b-instruct', '--engine', 'sim', '--tuning', overlay!.name, '--json'],
      { cwd, env: SIM },
    );
    await doctor.exited;
    const { command } = JSON.parse(doctor.output()) as { command: { argv: string[] } };
    const flag = (name: string) => command.argv[command.argv.indexOf(name) + 1];
    expect(flag('--max-num-seqs')).toBe(String(best?.point.flags['max_num_seqs']));
    expect(flag('--max-num-batched-tokens')).toBe('1024');
  });

  test('Ctrl-C stops the engine, and leaves what was measured', async () => {
    const { tune, runs, resultOf, there } = place();
    await using one = tune();
    await one.prints(/^max_num_seqs=4 max_num_batched_tokens=1024: \d/m, 120_000);
    one.child.kill('SIGINT');
    expect(await one.exited, one.output()).toBe(1);
    expect(resultOf(runs()[0]!)).toMatchObject({ interrupted: true, overlay: null, results: [{ outcome: 'ok' }] });
    expect(there()).toEqual([]);
  });

  test('refuses where a supervisor has the card, and flags that vLLM does not have', async () => {
    const { tune, cwd } = place();
    await using wrong = tune('--grid', 'max-num-sequence=1');
    expect(await wrong.exited).toBe(64);
    expect(wrong.output()).toMatch(/vLLM has no flag --max-num-sequence/);
    await using supervisor = run(process.execPath, [PROGRAM, 'supervise', '--engine', 'sim'], { cwd, env: SIM });
    await supervisor.prints(/worker/);
    await using refused = tune();
    expect(await refused.exited).toBe(64);
    expect(refused.output()).toMatch(/A supervisor runs in this folder .* Stop it first/);
  });
});

function journal(folder: string): { readonly kind: string }[] {
  const lines = readFileSync(join(folder, 'journal.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line.endsWith('}'));
  return lines.map((line) => JSON.parse(line) as { readonly kind: string });
}

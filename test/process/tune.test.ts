import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
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
  const below = join(cwd, 'experiments/runs');
  const runs = () => (existsSync(below) ? readdirSync(below).map((name) => join(below, name)) : []);
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

  test('killed while it tries the tuning, only that is done again, and what it left is ended; a run of another kind ends it, too', async () => {
    const { runs, resultOf, there, cwd } = place();
    const flags = [...FLAGS.filter((flag) => !GRID.includes(flag)), '--grid', 'max-num-seqs=4', '--grid', 'max-num-batched-tokens=1024'];
    const small = () => run(process.execPath, [PROGRAM, 'tune', ...flags], { cwd, env: SIM });
    const launches = (folder: string) => journal(folder).filter(({ kind }) => kind === 'launched').length;
    const killInProof = async (signal: NodeJS.Signals) => {
      await using first = small();
      await expect
        .poll(
          () =>
            runs()
              .flatMap((folder) => journal(folder))
              .filter(({ point }) => point?.startsWith('--tuning')).length,
          { timeout: 120_000 },
        )
        .toBeGreaterThan(proofs);
      first.child.kill(signal);
      await first.exited;
      proofs++;
      return first.output();
    };
    let proofs = 0;
    await killInProof('SIGKILL');
    const [folder] = runs();
    expect(launches(folder!)).toBe(2);
    expect(there()).not.toEqual([]);

    // Another run, which must not find the card taken.
    await using other = run(process.execPath, [PROGRAM, 'tune', ...flags, '--seed', '2', '--no-check'], { cwd, env: SIM });
    await other.exited;
    expect(other.output()).toMatch(
      /--tuning tuned-qwen2\.5-14b-instruct-t4 was under way when .* was cut short: what is left of it is ended/,
    );
    expect(there()).toEqual([]);

    const interrupted = await killInProof('SIGINT');
    expect(interrupted).toMatch(/goes on with .*, which was cut short after 1 of 1 points/);
    expect(interrupted).toMatch(/It was interrupted before the tuning had been tried: the same command/);
    expect(interrupted).not.toMatch(/does not serve/);
    expect(resultOf(folder!)).toMatchObject({ interrupted: true, overlay: { serves: null, problem: null } });
    expect(launches(folder!)).toBe(3);

    await using last = small();
    expect(await last.exited, last.output()).toBe(0);
    expect(launches(folder!)).toBe(4);
    expect(resultOf(folder!)).toMatchObject({ launches: 1, interrupted: false, overlay: { serves: true } });
    expect(there()).toEqual([]);
  });

  test('leaves a tuning alone that it has not written', async () => {
    const { tune, cwd } = place();
    const folder = join(cwd, 'profiles/tuning');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'mine.yaml'), 'title: by hand\nengine: {}\n');
    await using refused = tune('--name', 'mine');
    expect(await refused.exited).toBe(2);
    expect(refused.output()).toMatch(/There is a tuning mine \(by hand\) that "headgate tune" has not written.*another --name/);
    expect(readFileSync(join(folder, 'mine.yaml'), 'utf8')).toContain('by hand');
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

function journal(folder: string): { readonly kind: string; readonly point?: string }[] {
  const file = join(folder, 'journal.jsonl');
  const lines = (existsSync(file) ? readFileSync(file, 'utf8') : '').split('\n').filter((line) => line.endsWith('}'));
  return lines.map((line) => JSON.parse(line) as { readonly kind: string; readonly point?: string });
}

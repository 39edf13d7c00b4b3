import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { heatMap } from '../../../scripts/report/heat-map.ts';
import { pointOf } from '../../../scripts/tune/grid/axes.ts';
import type { PointResult } from '../../../scripts/tune/grid/outcome.ts';
import { differences, Journal, pastOf, readJournal, type Subject, unfinishedRun } from '../../../scripts/tune/asked/journal.ts';
import { TuneLine } from '../../../scripts/tune/live.ts';
import { readTuneOptions } from '../../../scripts/tune/asked/options.ts';
import { overlayName, overlayOf, overlayText } from '../../../scripts/tune/asked/overlay.ts';
import { isAlive, markOf } from '../../../scripts/tune/point/marks.ts';
import { preemptionsIn } from '../../../scripts/tune/point/measure.ts';
import { steadyRates } from '../../../scripts/tune/point/steady.ts';
import { changedFlag, judge } from '../../../scripts/tune/point/verdict.ts';
import type { CallRecord } from '../../../scripts/load/calls/call-record.ts';
import type { WorkerView } from '../../../gateway/core/worker.ts';
import type { SupervisorSnapshot } from '../../../gateway/link/snapshot.ts';
import { tuningSchema } from '../../../supervisor/profile/schema.ts';
import { chooseEngine } from '../../../supervisor/plan/engine-choice.ts';
import { loadProfiles } from '../../../supervisor/profile/profile.ts';

const SUBJECT: Subject = {
  ...{ model: 'm', profile: 't4', engine: 'sim', engineVersion: null, cards: ['T4'], search: 'grid', prunes: true, repeats: 1, seed: 1 },
  axes: [{ flag: 'max_num_seqs', values: [8, 16] }],
  ...{ load: 'some', objectives: 'some', requests: 'h', settings: 'h' },
};
const POINT = pointOf({ max_num_seqs: 8 });
const RESULT: PointResult = {
  ...{ point: POINT, outcome: 'ok', failureClass: null, reason: null, repeats: [], launches: 1, tookMs: 5 },
  figures: {
    ...{ outputTokenRate: 10, requestRate: 1, errorShare: 0, calls: 3, preemptions: 0, problems: [] },
    p95: { e2e: 7, ttft: NaN, tpot: 1, itl: 1 },
  },
};

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'headgate-tune-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

describe('the journal', () => {
  const begun = { kind: 'begun', at: 'now', subject: SUBJECT, by: { pid: 1, startTicks: 1 } } as const;
  const launched = (stateDir: string) =>
    ({ kind: 'launched', point: POINT.key, process: { pid: 5, startTicks: 9 }, stateDir, control: 'c' }) as const;

  test('has all that was measured, and what was under way when it was cut, whatever became of its last line', () => {
    const run = folder();
    {
      using journal = new Journal(run);
      journal.add(begun);
      journal.add(launched('a'));
      journal.add({ kind: 'ended', stateDir: 'a' });
      journal.add({ kind: 'result', result: RESULT });
      journal.add(launched('b'));
    }
    appendFileSync(join(run, 'journal.jsonl'), '{"kind":"result","result":{"poi');
    const past = readJournal(run);
    expect(past).toMatchObject({ subject: SUBJECT, isDone: false, open: [{ stateDir: 'b', process: { pid: 5, startTicks: 9 } }] });
    expect(past?.results).toEqual([RESULT]);
    {
      using journal = new Journal(run);
      journal.add({ ...begun, kind: 'resumed' });
      journal.add({ kind: 'ended', stateDir: 'b' });
      journal.add({ kind: 'done', at: 'later' });
    }
    expect(readJournal(run)).toMatchObject({ isDone: true, open: [], results: [{ outcome: 'ok' }] });
  });

  test('of nothing is none', () => {
    expect(readJournal(folder())).toBeNull();
    expect(pastOf('nonsense\n{"kind":"done"}\n')).toBeNull();
  });

  test('finds the run to go on with: the one that was last at work of those about the same that have not come to their end', () => {
    const runs = folder();
    const record = (name: string, at: string, subject: Subject, isDone: boolean): void => {
      mkdirSync(join(runs, name));
      using journal = new Journal(join(runs, name));
      journal.add({ ...begun, at, subject });
      if (isDone) journal.add({ kind: 'done', at: 'then' });
    };
    // Of one day the names say nothing.
    record('2026-01-01-tune-c', '2026-01-01T08:00:00Z', SUBJECT, false);
    record('2026-01-01-tune-a', '2026-01-01T09:00:00Z', SUBJECT, false);
    record('2026-01-01-tune-d', '2026-01-01T10:00:00Z', SUBJECT, true);
    record('2026-01-01-tune-e', '2026-01-01T11:00:00Z', { ...SUBJECT, seed: 2 }, false);
    expect(unfinishedRun(runs, SUBJECT)).toBe(join(runs, '2026-01-01-tune-a'));
    {
      using journal = new Journal(join(runs, '2026-01-01-tune-c'));
      journal.add({ ...begun, kind: 'resumed', at: '2026-01-02T00:00:00Z' });
    }
    expect(unfinishedRun(runs, SUBJECT)).toBe(join(runs, '2026-01-01-tune-c'));
    expect(unfinishedRun(runs, { ...SUBJECT, seed: 3 })).toBeNull();
    expect(differences({ ...SUBJECT, seed: 3, model: 'x' }, SUBJECT)).toEqual(['model', 'seed']);
  });

  test('knows a process by its birth as well as by its number', () => {
    const own = markOf(process.pid);
    expect(isAlive(own)).toBe(true);
    expect(isAlive({ ...own, startTicks: (own.startTicks ?? 0) - 1 })).toBe(false);
    expect(isAlive({ ...own, startTicks: null })).toBe(false);
  });
});

test('a run that has been gone on with counts what it had measured', () => {
  const line = new TuneLine(3);
  line.next('p', 2, 1_000, 0);
  expect(line.text(500)).toBe('3 of at most 5 points · p  (1 s) · 2 s left at most');
  line.ended();
  line.next('q', 1, NaN, 0);
  expect(line.text(0)).toBe('4 of at most 5 points · q  (0 s)');
});

describe('the tuning', () => {
  const profiles = loadProfiles();
  const gpu = profiles.gpus.get('t4')!;
  const profile = profiles.models.get('qwen2.5-14b-instruct')!;
  const card = { name: 'T4', memoryGib: 14.56, computeCap: 7.5, display: false, count: 1 };
  const source = profile.variants.at(-1)!.source;
  const base = { name: 'mine', title: 'mine', engine: { block_size: { set: 16 }, max_num_seqs: { times: 2 } } };
  const subject = { model: profile.name, gpu: 't4', source, base, usual: { max_model_len: 4096, max_num_seqs: 16, dtype: 'half' } };
  // Far more than the arithmetic leaves a cache for.
  const hungry = overlayOf(subject, pointOf({ max_num_seqs: 256, max_num_batched_tokens: 16_384 }), 'best', '2026-01-01T00:00:00Z');

  test('keeps what lies below, names what decides on memory, and is a profile', () => {
    expect(hungry.engine).toEqual({
      block_size: { set: 16 },
      max_num_seqs: { set: 256 },
      max_model_len: { set: 4096 },
      max_num_batched_tokens: { set: 16_384 },
    });
    const text = overlayText(hungry, ['one\nline']);
    expect(text).toMatch(/^# one line\ntitle: best\n/);
    expect(tuningSchema.parse(parse(text))).toEqual(hungry);
    expect(overlayName('Qwen/Qwen2.5-7B_Instruct', 'rtx-4080')).toBe('tuned-qwen2.5-7b_instruct-rtx-4080');
  });

  test('that was measured is launched as it is; with another model or card arithmetic relaxes it', () => {
    const asked = { id: profile.name, source: null, profile, engine: {} };
    const measured = chooseEngine(asked, gpu, { name: 'x', ...hungry }, card);
    expect(measured).toMatchObject({
      kind: 'run',
      source,
      engine: { max_num_seqs: 256, max_num_batched_tokens: 16_384, max_model_len: 4096 },
    });
    const other = chooseEngine(asked, gpu, { name: 'x', ...hungry, measured: { ...hungry.measured, gpu: 'l4' } }, card);
    expect(other).toMatchObject({ kind: 'run' });
    expect(other.kind === 'run' && other.engine).not.toMatchObject({ max_num_seqs: 256, max_num_batched_tokens: 16_384 });
  });
});

describe('a point', () => {
  const point = pointOf({ max_num_seqs: 64, gpu_memory_utilization: 0.9 });
  const args = ['--max-num-seqs', '64', '--gpu-memory-utilization', '0.90'];
  const worker = { state: 'ready', stage: null, restarts: 0, degradation: [], lastFailure: null, args, url: 'http://w' };
  const look = (more: Partial<WorkerView> = {}) =>
    judge({ workers: [{ ...worker, ...more }], models: [{ id: 'm', state: 'ready' }] } as unknown as SupervisorSnapshot, point);
  const failure = (name: string): WorkerView['lastFailure'] => ({ class: name, phase: 'load', message: 'Why.', advice: '', at: '' });

  test('is ready with its own flags and no others', () => {
    expect(look()).toEqual({ kind: 'ready', workerUrl: 'http://w' });
    expect(look({ state: 'starting', stage: 'cuda_graphs' })).toEqual({ kind: 'starting', stage: 'cuda_graphs' });
    expect(look({ args: ['--max-num-seqs', '32'] })).toMatchObject({ kind: 'over', outcome: 'failed', failureClass: 'changed' });
    expect(changedFlag({ args: ['--enforce-eager'] }, pointOf({ enforce_eager: true }))).toBeNull();
    expect(changedFlag({ args: [] }, pointOf({ enforce_eager: true }))).toMatch(/launched with no --enforce-eager/);
  });

  test('that runs out of memory, or runs relaxed, is out of memory; memory that is still given back is waited for', () => {
    expect(look({ state: 'backoff', lastFailure: failure('oom-graph') })).toMatchObject({ outcome: 'oom', failureClass: 'oom-graph' });
    expect(look({ lastFailure: failure('kv-too-small') })).toMatchObject({ outcome: 'oom' });
    expect(look({ degradation: [{ setting: 'max_num_seqs', from: '64', to: '32', reason: 'Because.' }] })).toMatchObject({
      outcome: 'oom',
      failureClass: 'degraded',
    });
    expect(look({ lastFailure: failure('config') })).toMatchObject({ outcome: 'failed', failureClass: 'config' });
    expect(look({ state: 'starting', lastFailure: failure('busy-vram') })).toMatchObject({ kind: 'starting' });
    expect(look({ restarts: 1 })).toMatchObject({ outcome: 'failed' });
  });

  test('makes so many tokens a second as came between two moments, whenever their calls began', () => {
    const call = (sentMs: number, endMs: number, tokensAt: readonly number[]): CallRecord =>
      ({ outcome: 'ok', sentMs, endMs, tokensAt, outputTokens: tokensAt.length * 2 }) as unknown as CallRecord;
    const records = [call(0, 2000, [500, 1500]), call(1000, 3000, [1200, 2500]), { ...call(0, 9, [1500]), outcome: 'failed' as const }];
    expect(steadyRates(records, 1000, 2000)).toEqual({ outputTokenRate: 4, requestRate: 1 });
    expect(steadyRates([{ ...call(0, 1500, []), outputTokens: 7 }], 1000, 2000)).toEqual({ outputTokenRate: 7, requestRate: 1 });
  });

  test('counts preemptions of all ranks', () => {
    expect(preemptionsIn('# HELP x\nvllm:num_preemptions_total{engine="0"} 3.0\nvllm:num_preemptions_total{engine="1"} 4\n')).toBe(7);
    expect(preemptionsIn('nothing')).toBe(0);
  });
});

describe('the command line', () => {
  const read = (line: string) => readTuneOptions(line === '' ? [] : line.split(' '), {});
  const problem = (line: string): string => {
    const { kind, ...rest } = read(line);
    return kind === 'usage' ? (rest as { problem: string }).problem : kind;
  };

  test('has what is usual, and less of it in a hurry', () => {
    expect(read('')).toMatchObject({
      kind: 'options',
      options: {
        repeats: 3,
        loadMs: 30_000,
        search: 'grid',
        prunes: true,
        hasOwnPace: false,
        objectives: { slo: { e2e: 5000 }, maxErrors: 0.001 },
      },
    });
    expect(read('--quick --slo ttft:500 e2e:900 --max-errors 1%')).toMatchObject({
      options: { repeats: 1, loadMs: 5000, objectives: { slo: { ttft: 500, e2e: 900 }, maxErrors: 0.01 } },
    });
    expect(read('--rate 3 --duration 10s --config x.yaml --engine=sim')).toMatchObject({
      options: {
        hasOwnPace: true,
        where: ['--config', 'x.yaml', '--engine', 'sim'],
        load: { schedule: { stages: [{ from: 3, seconds: 10 }] } },
      },
    });
    expect(read('--grid max-num-seqs=1,2 -h')).toEqual({ kind: 'help' });
  });

  test.each([
    ['http://127.0.0.1:1', /launches what it measures/],
    ['--port 1', /no meaning here/],
    ['--grid a=1 --grid a=2', /names a twice/],
    ['--search random', /one of grid, halving/],
    ['--name ../x', /cannot be the name/],
    ['--resume x --fresh', /contradict/],
    ['--calls 5', /goes with --rate/],
    ['--repeats 0', /whole number/],
    ['--max-errors 2', /a share/],
    ['--rate nonsense', /--rate must be/],
    ['--unheard-of', /unheard-of/],
  ])('%s is refused with what to do', (line, words) => {
    expect(problem(line)).toMatch(words);
  });
});

test('a heat map has a field for each pair, and words of others are text in it', () => {
  const svg = heatMap({
    ...{ title: 'a <b>', x: 'x', y: 'y', columns: ['1', '2'], rows: ['3'] },
    cell: (column) => (column === 0 ? { lines: ['12'], value: 12, mark: 'best', hint: '"' } : { lines: ['OOM'], value: null, mark: 'bad' }),
  });
  expect(svg.match(/class="cell/g)).toHaveLength(2);
  expect(svg).toContain('a &lt;b&gt;');
  expect(svg).not.toMatch(/NaN|Infinity|<b>/);
  expect(readFileSync('scripts/report/heat-map.ts', 'utf8')).not.toMatch(/#[0-9a-f]{6}/);
});

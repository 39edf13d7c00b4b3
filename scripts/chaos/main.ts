import { join } from 'node:path';
import type { Place } from '../load/place.ts';
import { EXIT_FAILED } from '../../gateway/config/exit-codes.ts';
import { interruptible } from '../program/interruptible.ts';
import { usageProblem } from '../program/usage-problem.ts';
import { makeRunFolder, outFolder, writeWhole } from '../report/run-folder.ts';
import { Shown } from '../report/shown.ts';
import { CHAOS_HELP } from './help.ts';
import { type ChaosOptions, readChaosOptions } from './options.ts';
import { runRandom } from './random/run-random.ts';
import { scheduleText } from './random/schedule.ts';
import { chaosPage, type RunFacts } from './report/chaos-page.ts';
import { markdownTable, summaryLine } from './report/markdown.ts';
import { ALL_ROWS, QUICK_ROWS } from './rows/all-rows.ts';
import { runRows } from './rows/run-rows.ts';

/** `headgate chaos` from its command line to its last line. @returns the exit code */
export async function runChaosCommand(argv: readonly string[], place: Place): Promise<number> {
  const names = ALL_ROWS.map(({ name }) => name);
  const read = readChaosOptions(argv, names, QUICK_ROWS);
  if (read.kind === 'help') {
    process.stdout.write(CHAOS_HELP);
    return 0;
  }
  if (read.kind === 'usage') return usageProblem('chaos', read.problem);
  const { options } = read;
  if (options.list) return list();
  // At the first interruption, what is being played is played to its end.
  return await interruptible('chaos', async (signal) => {
    if (options.out !== null) outFolder(place.cwd, options.out);
    const isGood = await (options.random === null ? table : random)(options, place, signal);
    return isGood && !signal.aborted ? 0 : EXIT_FAILED;
  });
}

function list(): number {
  const width = Math.max(...ALL_ROWS.map(({ name }) => name.length));
  for (const { name, fault, how } of ALL_ROWS) process.stdout.write(`${name.padEnd(width)}  ${fault}: ${how}\n`);
  return 0;
}

/** @returns whether nothing was broken */
async function table(options: ChaosOptions, place: Place, signal: AbortSignal): Promise<boolean> {
  const rows = ALL_ROWS.filter(({ name }) => options.rows?.includes(name) ?? true);
  const startedAt = new Date();
  const begun = performance.now();
  const machine = place.machine();
  const playing = new Set<string>();
  let done = 0;
  const shown = new Shown(() => `${done} of ${rows.length} faults; now ${[...playing].join(', ')}`);
  const results = await runRows(rows, {
    ...{ seed: options.seed, atOnce: options.atOnce, signal },
    onStart: ({ name }) => void playing.add(name),
    onEnd: ({ name, verdict, notes }) => {
      playing.delete(name);
      done++;
      shown.say(`${verdict.padEnd(8)} ${name}${notes.length > 0 ? `: ${notes.slice(0, 3).join('; ')}` : ''}`);
    },
  }).finally(() => shown.end());
  const facts = factsOf(options, place, startedAt, machine, performance.now() - begun, signal);
  const markdown = `${markdownTable(results)}\n\n${summaryLine(results)}.\n`;
  const json = { kind: 'chaos', ...facts, summary: summaryLine(results), rows: results };
  tell(options, place, startedAt, { 'result.json': json, 'table.md': markdown, 'report.html': chaosPage(results, facts) }, markdown);
  return results.every(({ verdict }) => verdict === 'survived' || verdict === 'skipped');
}

/** @returns whether nothing was broken */
async function random(options: ChaosOptions, place: Place, signal: AbortSignal): Promise<boolean> {
  const { seed, atOnce, random: count } = options as ChaosOptions & { readonly random: number };
  const startedAt = new Date();
  const begun = performance.now();
  const machine = place.machine();
  const all = { done: 0, broken: 0, calls: 0, lines: 0, struck: 0 };
  const shown = new Shown(() => `${all.done} of ${count} schedules, ${all.calls} calls; ${all.broken} broke something`);
  const { schedules, failures } = await runRandom({
    ...{ seed, count, atOnce, signal },
    onEnd: ({ schedule, firstSeed, notes, calls, lines, struck }) => {
      all.done++;
      all.calls += calls;
      all.lines += lines;
      all.struck += struck;
      if (notes.length === 0) return;
      all.broken++;
      const before = schedule.seed - firstSeed;
      const alone = `headgate chaos --seed ${schedule.seed} --random 1`;
      const withThose = `; with the ${before} before it at the same gateway: headgate chaos --seed ${firstSeed} --random ${before + 1} --at-once 1`;
      shown.say(`seed ${schedule.seed} broke something: ${alone}${before > 0 ? withThose : ''}`);
      shown.say(`  ${scheduleText(schedule)}`);
      for (const note of notes.slice(0, 5)) shown.say(`  ${note}`);
    },
  }).finally(() => shown.end());
  const facts = factsOf(options, place, startedAt, machine, performance.now() - begun, signal);
  const seeds = schedules.filter(({ notes }) => notes.length > 0).map(({ schedule }) => schedule.seed);
  const amount = `${all.calls.toLocaleString('en')} calls and ${all.lines} lines of batches, struck ${all.struck.toLocaleString('en')}×`;
  const unbroken = all.struck > 0 ? 'nothing was broken' : 'no fault has met anything, which shows nothing';
  const outcome = seeds.length === 0 ? unbroken : `broken by the seeds ${seeds.join(', ')}`;
  const unplayed = failures.map((failure) => `Not played ${failure}\n`).join('');
  const text = `${all.done} random schedules (seeds from ${seed}), ${amount}: ${outcome}.\n${unplayed}`;
  tell(options, place, startedAt, { 'result.json': { kind: 'chaos-random', ...facts, schedules, failures } }, text);
  return seeds.length === 0 && failures.length === 0 && all.struck > 0;
}

function factsOf(
  { seed }: ChaosOptions,
  { version }: Place,
  startedAt: Date,
  machine: RunFacts['machine'],
  ms: number,
  signal: AbortSignal,
): RunFacts {
  return { startedAt: startedAt.toISOString(), seed, version, machine, ms, wasInterrupted: signal.aborted };
}

function tell({ out, json }: ChaosOptions, { cwd }: Place, at: Date, files: Readonly<Record<string, unknown>>, text: string): void {
  const folder = out === null ? makeRunFolder(cwd, 'chaos', at) : outFolder(cwd, out);
  for (const [name, content] of Object.entries(files))
    writeWhole(join(folder, name), typeof content === 'string' ? content : `${JSON.stringify(content, null, 2)}\n`);
  process.stdout.write(json ? `${JSON.stringify(files['result.json'], null, 2)}\n` : text);
  process.stderr.write(`headgate chaos: ${folder}\n`);
}

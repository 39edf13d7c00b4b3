import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { clear } from './left-behind.ts';
import { say, until, workingIn } from './scene.ts';

const CLI = fileURLToPath(new URL('../headgate.ts', import.meta.url));
const MODELS: Readonly<Record<string, string>> = { t4: 'qwen2.5-14b-instruct', 'rtx-4080': 'gemma-3-12b-it' };
/** Its largest step leaves nothing of the cache on a card of 16 GB. */
const GRID = ['--grid', 'max-num-seqs=8,16,32,64', '--grid', 'max-num-batched-tokens=1024,2048,32768'];
const POINTS = 12;
/** Five times as fast as the card, and started at once. */
const SIM = { SIM_SPEED: '0.2', SIM_START_MS: '200', SIM_STOP_MS: '50' };
const LIMIT_MS = 1_200_000;

interface Result {
  readonly launches: number;
  readonly best: { readonly point: { readonly key: string }; readonly figures: { readonly outputTokenRate: number } } | null;
  readonly overlay: { readonly name: string; readonly serves: boolean | null } | null;
  readonly results: readonly { readonly outcome: string; readonly point: { readonly key: string } }[];
  readonly skipped: readonly unknown[];
}

/** @returns whether all of it came out as it should */
export async function showTune(cards: readonly string[]): Promise<boolean> {
  let isWell = true;
  for (const card of cards) isWell = (await showCard(card)) && isWell;
  return isWell;
}

async function showCard(card: string): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-tune-'));
  const tune = (...flags: readonly string[]): ChildProcess => {
    const args = [CLI, 'tune', '--model', MODELS[card] ?? 'llama-3.1-8b-instruct', '--engine', 'sim', '--quick', ...GRID, ...flags];
    return spawn(process.execPath, args, {
      cwd: folder,
      env: { ...process.env, SIM_GPU: card, ...SIM },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  };
  try {
    say(`${card}: every point of the grid, none ruled out`);
    const whole = await finished(tune('--no-prune', '--no-check', '--fresh'), folder, 0);
    say(`${card}: halving, killed with -9 in its third point`);
    const first = tune('--search', 'halving');
    await until(
      () => journals(folder).some((text) => text.includes('"halving"') && count(text, '"kind":"launched"') >= 3),
      'its third launch',
      LIMIT_MS,
    );
    first.kill('SIGKILL');
    const before = workingIn(folder).length;
    say(`${card}: killed; ${before} processes of its point are left. The same command again:`);
    const halved = await finished(tune('--search', 'halving'), folder, 1);
    const left = workingIn(folder).length;
    const [a, b] = [whole.best, halved.best];
    const loss = 1 - (rateIn(whole, b?.point.key) ?? 0) / (a?.figures.outputTokenRate ?? NaN);
    const findings: readonly (readonly [boolean, string])[] = [
      [
        whole.launches === POINTS && whole.results.some(({ outcome }) => outcome === 'oom'),
        `the grid: ${whole.launches} launches, ${whole.results.filter(({ outcome }) => outcome === 'oom').length} of them out of memory; best ${a?.point.key}`,
      ],
      [halved.launches * 2 <= POINTS, `halving: ${halved.launches} launches of ${POINTS}, ${halved.skipped.length} ruled out`],
      [
        a?.point.key === b?.point.key || loss <= 0.02,
        `its best: ${b?.point.key}, ${a?.point.key === b?.point.key ? 'the same' : besideText(loss)}`,
      ],
      [halved.overlay?.serves === true, `headgate serve --tuning ${halved.overlay?.name}: serves with these flags`],
      [before > 0 && left === 0, `left of the killed run and of all others: ${left} processes`],
    ];
    for (const [isSo, text] of findings) say(`  ${isSo ? 'yes' : 'NO '}  ${text}`);
    return findings.every(([isSo]) => isSo);
  } finally {
    clear({ folder });
  }
}

function rateIn({ results }: Result, key: string | undefined): number | null {
  const found = results.find(({ point }) => point.key === key) as { readonly figures?: { readonly outputTokenRate: number } } | undefined;
  return found?.figures?.outputTokenRate ?? null;
}

/** The result of the nth run in a folder, once its process has ended. */
async function finished(child: ChildProcess, folder: string, nth: number): Promise<Result> {
  await until(() => child.exitCode !== null || child.signalCode !== null, 'the end of headgate tune', LIMIT_MS);
  const results = runs(folder)
    .map((run) => join(run, 'result.json'))
    .filter((file) => existsSync(file))
    .map((file) => JSON.parse(readFileSync(file, 'utf8')) as Result & { readonly started_at: string })
    .toSorted((x, y) => (x.started_at < y.started_at ? -1 : 1));
  const result = results[nth];
  if (!result) throw new Error(`headgate tune ended with ${child.exitCode ?? child.signalCode} and left no result`);
  return result;
}

function runs(folder: string): readonly string[] {
  const below = join(folder, 'experiments/runs');
  return existsSync(below) ? readdirSync(below).map((name) => join(below, name)) : [];
}

function journals(folder: string): readonly string[] {
  return runs(folder)
    .map((run) => join(run, 'journal.jsonl'))
    .filter((file) => existsSync(file))
    .map((file) => readFileSync(file, 'utf8'));
}

function count(text: string, part: string): number {
  return text.split(part).length - 1;
}

/** What another point is worth, by the figures of the whole grid. */
function besideText(loss: number): string {
  return loss < 0.0005 ? "as good by the grid's own figures" : `by the grid's own figures ${(loss * 100).toFixed(1)} % below`;
}

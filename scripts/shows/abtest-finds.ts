import { measureAbtest } from '../abtest/measure-abtest.ts';
import { readAbtestOptions } from '../abtest/options.ts';
import { type AbtestResult, isValid } from '../abtest/figures/result.ts';
import { verdictLines, warningLines } from '../abtest/report/words.ts';
import { calledDifferent, isCalled, TAILS } from './abtest-chance.ts';
import { type Scene, say } from './scene.ts';

const CONFIDENCE = 0.95;
/** Of so many that ought to be none. */
const MOST_CALLED = 2;
/** The share of tests that may be not valid: they show nothing, and of what is left one could not tell. */
const MOST_INVALID = 0.25;
const BURSTY = '--rate 20 --burstiness 0.25 --output lognormal:16:0.5';

/** What tests of nothing call different when figures are made by chance. @returns whether it is as seldom as they say */
export function showChance(tests: number): boolean {
  const margin = 3 * Math.sqrt(((1 - CONFIDENCE) * CONFIDENCE) / tests);
  say(
    `${tests} tests of nothing each, 3 arms and 3 metrics, of which ${Math.round((1 - CONFIDENCE) * 100)} % may call anything different:`,
  );
  let holds = true;
  for (const [name, tail] of Object.entries(TAILS)) {
    const shares = [8, 10, 12].map((blocks) =>
      calledDifferent({ arms: 3, blocks, tail, effect: 0, confidence: CONFIDENCE }, tests, blocks),
    );
    holds &&= shares.every((share) => share <= 1 - CONFIDENCE + margin);
    say(`  ${name}: ${shares.map((share, i) => `${(share * 100).toFixed(1)} % of ${[8, 10, 12][i]} blocks`).join(', ')}`);
  }
  return holds;
}

/** A window that holds calls for 200 ms against none, on the simulated engine. @returns whether it was found */
export async function showPlanted(scene: Scene): Promise<boolean> {
  const result = await tested(scene, `--window 0,200 --slot 2s --settle 1s --slots 12 --judge ttft:p50,ttft:p95 ${BURSTY}`);
  for (const line of [...warningLines(result), ...verdictLines(result)]) say(`  ${line}`);
  const isFound = result.comparisons.some(({ metric, shown }) => metric.kind === 'time' && metric.time === 'ttft' && shown === 'worse');
  return isFound && result.decision.keep === 0 && isValid(result);
}

/** The same window twice, so many times. @returns whether no more than two were called different, and nearly all were valid */
export async function showNothing(scene: Scene, runs: number): Promise<boolean> {
  const results: AbtestResult[] = [];
  for (let run = 1; run <= runs; run++) {
    const result = await tested(scene, `--window 0,0 --slot 800ms --settle 300ms --slots 8 --seed ${run + 100} ${BURSTY}`);
    results.push(result);
    const [said = ''] = verdictLines(result);
    say(`  ${run}. ${isValid(result) ? '' : `(not valid: ${warningLines(result).join(' ')}) `}${said}`);
  }
  const { called, invalid, isQuiet } = quietOf(results);
  const tooMany = invalid > MOST_INVALID * runs ? ', which are too many to show anything' : '';
  say(`  ${called} of ${runs} called something different; ${invalid} were not valid${tooMany}.`);
  return isQuiet;
}

/** What came of tests of nothing. One that is not valid is no test that found nothing; one that calls something counts all the same. */
export function quietOf(results: readonly Pick<AbtestResult, 'comparisons' | 'trust' | 'stopped' | 'wasInterrupted'>[]): {
  readonly called: number;
  readonly invalid: number;
  readonly isQuiet: boolean;
} {
  const called = results.filter(({ comparisons }) => comparisons.some(isCalled)).length;
  const invalid = results.filter((result) => !isValid(result)).length;
  return { called, invalid, isQuiet: called <= MOST_CALLED && invalid <= MOST_INVALID * results.length };
}

async function tested(scene: Scene, line: string): Promise<AbtestResult> {
  const read = readAbtestOptions([scene.url, ...line.split(' ')], {});
  if (read.kind !== 'options') throw new Error(read.kind === 'usage' ? read.problem : 'no test was asked for');
  const place = {
    version: '',
    cwd: scene.folder,
    env: {},
    machine: () => ({}),
    findGateway: async () => await Promise.resolve(scene.url),
    findAdmin: async () => await Promise.resolve({ base: scene.url, key: scene.adminKey }),
  };
  return await measureAbtest(read.options, place, new AbortController().signal);
}

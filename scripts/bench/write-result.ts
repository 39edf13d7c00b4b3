import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CASES } from './cases.ts';
import { FLOOR, PLAIN } from './proxies/proxies.ts';
import { ratioOf } from './report.ts';
import { type BenchResult, type CaseResult, valuesOf } from './result.ts';
import { median, type Ratio, spread } from './statistics.ts';

/** Writes the result as JSON, and the tables beside it. `file`: null for a folder of its own below experiments/runs. @returns the JSON's path */
export function writeResult(result: BenchResult, text: string, file: string | null, cwd: string): string {
  const name = `${result.at.slice(0, 10)}-bench-${randomBytes(3).toString('hex')}`;
  const json = file === null ? join(cwd, 'experiments/runs', name, 'result.json') : resolve(cwd, file);
  mkdirSync(dirname(json), { recursive: true });
  const cases = result.cases.map((of) => ({ ...of, what: CASES.find((each) => each.name === of.name)?.what, proxies: summary(of) }));
  writeFileSync(json, `${JSON.stringify({ kind: 'bench', ...result, cases }, null, 2)}\n`);
  if (file === null) {
    const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
    const head = `<!doctype html><meta charset="utf-8"><title>headgate bench, ${result.at}</title>`;
    writeFileSync(join(dirname(json), 'report.html'), `${head}<pre>${escaped}</pre>\n`);
  }
  return json;
}

/** By proxy: median and spread of each figure, and the ratios that could be told. */
function summary(of: CaseResult): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(of.rounds).map(([proxy, rounds]) => {
      const names = [...new Set(rounds.flatMap(({ figures }) => Object.keys(figures)))];
      const medians = names.map((name) => [name, median(valuesOf(of, proxy, name))]);
      const spreads = names.map((name) => [name, spread(valuesOf(of, proxy, name))]);
      return [
        proxy,
        {
          median: Object.fromEntries(medians) as unknown,
          spread: Object.fromEntries(spreads) as unknown,
          cost_beside: { [FLOOR]: told(ratioOf(of, proxy, FLOOR)), [PLAIN]: told(ratioOf(of, proxy, PLAIN)) },
        },
      ];
    }),
  );
}

/** null where it was refused, or there is none. */
function told(ratio: Ratio): number | null {
  return ratio.kind === 'ratio' ? ratio.value : null;
}

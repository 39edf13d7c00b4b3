import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ALERT_CASES, type AlertCase, type SeriesOf } from './alert-cases.ts';
import { boards, DEPLOY, filledIn, RULES, rules } from './asked.ts';
import { NO_PROMETHEUS } from './prometheus.ts';

const suffix = NO_PROMETHEUS === null ? '' : ` (skipped: ${NO_PROMETHEUS})`;

function promtool(...args: readonly string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8', timeout: 100_000 });
  return { status, output: stdout + stderr };
}

/** Writes a file that is there while promtool looks at it. JSON is YAML. */
function withFile(content: object, use: (file: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-rules-'));
  try {
    const file = join(folder, 'file.json');
    writeFileSync(file, JSON.stringify(content));
    use(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** How many of this alert are on at each minute. */
function looks(alert: string, times: readonly (readonly [minute: number | null, on: boolean])[]) {
  return times.flatMap(([minute, on]) =>
    minute === null
      ? []
      : [
          {
            expr: `count(ALERTS{alertname="${alert}",alertstate="firing"}) > bool 0 or vector(0)`,
            eval_time: `${minute}m`,
            exp_samples: [{ labels: '{}', value: on ? 1 : 0 }],
          },
        ],
  );
}

const input = (series: SeriesOf, pace: number) =>
  Object.entries(series).map(([name, values]) => ({ series: name, values: values.filter((__, minute) => minute % pace === 0).join(' ') }));

const takesDays = ({ on }: AlertCase): boolean => on > 1000;

test('every alert has a case in which it comes, and one in which it does not', () => {
  const alerts = rules.flatMap(({ alert }) => alert ?? []);
  expect([...new Set(ALERT_CASES.map(({ alert }) => alert))].toSorted()).toEqual(alerts.toSorted());
  const quiet = new Set(
    ALERT_CASES.flatMap(({ alert, near, quiet: before, off }) => (near.length > 0 && before !== null && off !== null ? alert : [])),
  );
  expect(alerts.filter((alert) => !quiet.has(alert))).toEqual(['HeadgateWatchdog']);
});

describe.skipIf(NO_PROMETHEUS !== null)(`promtool${suffix}`, () => {
  test('finds nothing wrong with the settings and the rules', () => {
    expect(promtool('check', 'config', join(DEPLOY, 'prometheus', 'prometheus.yml'))).toMatchObject({ status: 0 });
    for (const file of ['alerts', 'recording', 'older-names']) {
      const { status, output } = promtool('check', 'rules', '--lint=all', join(RULES, `${file}.yml`));
      expect([status, output]).toEqual([0, expect.stringContaining('SUCCESS')]);
    }
  });

  test('reads every query of every panel', () => {
    const queries = boards.flatMap(([, { panels }]) => panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => filledIn(expr))));
    const group = { name: 'panels', rules: queries.map((expr, index) => ({ record: `panel:${index}`, expr })) };
    withFile({ groups: [group] }, (file) => {
      expect(promtool('check', 'rules', file)).toMatchObject({ status: 0 });
    });
  });

  // What takes days is looked at every five minutes.
  test.each([
    ['within hours', 1, ALERT_CASES.filter((one) => !takesDays(one))],
    ['over days', 5, ALERT_CASES.filter(takesDays)],
  ] as const)('sees each alert come and go %s, and keep still where it is only nearly so', (_, pace, cases) => {
    const one = (name: string, series: SeriesOf, promql_expr_test: object[]) => ({
      name,
      interval: `${pace}m`,
      input_series: input(series, pace),
      promql_expr_test,
    });
    const tests = cases.flatMap(({ alert, series, quiet, on, off, near }) => [
      one(
        alert,
        series,
        looks(alert, [
          [quiet, false],
          [on, true],
          [off, false],
        ]),
      ),
      ...near.map(([why, other, at]) => one(`${alert}: ${why}`, other, looks(alert, [[at, false]]))),
    ]);
    const rule_files = [join(RULES, 'alerts.yml'), join(RULES, 'recording.yml')];
    withFile({ rule_files, evaluation_interval: `${pace}m`, tests }, (file) => {
      const { status, output } = promtool('test', 'rules', file);
      expect([status, output]).toEqual([0, expect.stringContaining('SUCCESS')]);
    });
  });
});

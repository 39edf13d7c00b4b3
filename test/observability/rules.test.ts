import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ALERT_CASES, type AlertCase, type SeriesOf } from './alert-cases.ts';
import { boards, DEPLOY, filledIn, namesIn, RULES, rules } from './asked.ts';
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

interface Scene {
  readonly alert: string;
  readonly series: SeriesOf;
  readonly looks: readonly (readonly [minute: number | null, on: boolean])[];
}

/** Scenes that may share a storage, since no alert of one reads a series of another: each storage takes promtool half a second. */
function together(scenes: readonly Scene[]): Scene[][] {
  const groups: { readonly names: Set<string>; readonly scenes: Scene[] }[] = [];
  for (const scene of scenes) {
    const expr = rules.find(({ alert }) => alert === scene.alert)!.expr;
    const names = [...namesIn(expr), ...Object.keys(scene.series).map((series) => series.split('{', 1)[0]!)];
    let group = groups.find((one) => names.every((name) => !one.names.has(name)));
    if (!group) groups.push((group = { names: new Set(), scenes: [] }));
    for (const name of names) group.names.add(name);
    group.scenes.push(scene);
  }
  return groups.map((group) => group.scenes);
}

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

  // Half a minute of CPU time, so `npm run test:observability` does it. What takes days is looked at every five minutes.
  test.skipIf(process.env['OBSERVABILITY'] !== 'all').each([
    ['within hours', 1, ALERT_CASES.filter((one) => !takesDays(one))],
    ['over days', 5, ALERT_CASES.filter(takesDays)],
  ] as const)('sees each alert come and go %s, and keep still where it is only nearly so', (_, pace, cases) => {
    const scenes = cases.flatMap(({ alert, series, quiet, on, off, near }): Scene[] => [
      {
        alert,
        series,
        looks: [
          [quiet, false],
          [on, true],
          [off, false],
        ],
      },
      ...near.map(([, other, at]): Scene => ({ alert, series: other, looks: [[at, false]] })),
    ]);
    const tests = together(scenes).map((shared) => ({
      interval: `${pace}m`,
      input_series: shared.flatMap(({ series }) => input(series, pace)),
      promql_expr_test: shared.flatMap((scene) => looks(scene.alert, scene.looks)),
    }));
    const rule_files = [join(RULES, 'alerts.yml'), join(RULES, 'recording.yml')];
    withFile({ rule_files, evaluation_interval: `${pace}m`, tests }, (file) => {
      const { status, output } = promtool('test', 'rules', file);
      expect([status, output]).toEqual([0, expect.stringContaining('SUCCESS')]);
    });
  });
});

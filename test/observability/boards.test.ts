import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { METRICS, type MetricRow } from '../../gateway/telemetry/metrics/table.ts';
import { BOARDS, metricsPage } from '../../scripts/observability/files.ts';
import { boards, DEPLOY, filledIn, namesIn, RULES, rules } from './asked.ts';

const text = (...path: string[]): string => readFileSync(join(DEPLOY, ...path), 'utf8');
const OUTLINE = new URL('../vllm/recorded/0.32.0/metrics.txt', import.meta.url);

/** Every name that a Prometheus may hold: ours, the process's, the recorded ones, and those of vLLM as it was recorded. */
const known = new Set([
  ...Object.entries<MetricRow>(METRICS).flatMap(([name, { kind }]) =>
    (kind === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']).map((end) => `headgate_${name}${end}`),
  ),
  ...readFileSync(OUTLINE, 'utf8')
    .split('\n')
    .flatMap((line) => /^vllm:\w+/.exec(line)?.[0] ?? []),
  ...rules.flatMap(({ record }) => record ?? []),
  ...['up', 'ALERTS', 'process_start_time_seconds', 'process_cpu_seconds_total', 'process_resident_memory_bytes', 'process_open_fds'],
  ...['process_max_fds', 'nodejs_heap_size_used_bytes', 'nodejs_gc_duration_seconds_sum'],
]);

test('the files are what the tables make (npm run docs:metrics)', () => {
  expect(text('metrics.md')).toBe(metricsPage(RULES));
  for (const [name, board] of Object.entries(BOARDS)) expect(JSON.parse(text('grafana', `${name}.json`))).toEqual(board);
  expect(boards).toHaveLength(Object.keys(BOARDS).length);
});

test('the page of metrics names every one, and says of every label what it may be', () => {
  const page = text('metrics.md');
  for (const name of Object.keys(METRICS)) expect(page).toContain(`\n| \`headgate_${name}\` |`);
  for (const { labels } of Object.values<MetricRow>(METRICS))
    for (const label of labels) expect(page).toMatch(new RegExp(`\\n\\| \`${label}\` \\| [^ |]`));
});

test('rules ask for names that there are', () => {
  for (const { alert, record, expr } of rules) {
    expect(
      namesIn(expr).filter((name) => !known.has(name)),
      alert ?? record,
    ).toEqual([]);
  }
});

test('names in a query are told from words, labels and functions', () => {
  expect(namesIn('sum by (le) (rate(a_b{c="d"}[5m])) / on (x) vllm:e > 1e3 or vector(0) and foo_total')).toEqual([
    'a_b',
    'vllm:e',
    'foo_total',
  ]);
});

describe('alerts', () => {
  const alerts = rules.filter(({ alert }) => alert !== undefined);

  test('have a page each, and every page an alert', () => {
    const pages = readdirSync(join(DEPLOY, 'runbooks')).map((file) => file.replace(/\.md$/, ''));
    expect(pages.toSorted()).toEqual(alerts.map(({ alert }) => alert!).toSorted());
  });

  test.each(alerts.map((rule) => [rule.alert!, rule] as const))(
    '%s says what it is, and its page how to look and what to do',
    (name, rule) => {
      expect(['page', 'ticket', 'info', 'none']).toContain(rule.labels?.['severity']);
      expect(rule.annotations).toEqual({
        summary: expect.stringMatching(/^[A-Z].*\.$/),
        description: expect.stringMatching(/^\S.*\.$/),
        runbook_url: `https://runbooks.example/${name}.md`,
      });
      const page = text('runbooks', `${name}.md`);
      expect(page.startsWith(`# ${name}\n`)).toBe(true);
      for (const heading of ['How to look', 'What to do', 'When it is harmless'])
        expect(page).toMatch(new RegExp(`\\n## ${heading}\\n\\n\\S`));
      for (const [, link] of page.matchAll(/\]\(([^)]+)\)/g)) expect(readdirSync(join(DEPLOY, 'runbooks'))).toContain(link);
    },
  );
});

describe.each(boards)('the dashboard %s', (_, board) => {
  const drawn = board.panels.filter(({ type }) => type !== 'row');

  test('explains each panel, and gives it a unit and a query of names that there are', () => {
    for (const { title, description, fieldConfig, targets = [] } of drawn) {
      expect(description, title).toMatch(/^[\S].*\.$/s);
      expect(fieldConfig?.defaults.unit, title).toMatch(/^\w+$/);
      expect(targets.length, title).toBeGreaterThan(0);
      for (const { expr } of targets) {
        expect(
          namesIn(filledIn(expr)).filter((name) => !known.has(name)),
          title,
        ).toEqual([]);
        expect(filledIn(expr), title).not.toContain('$');
      }
    }
  });

  test('has no panel twice, and none on top of another or beyond the edge', () => {
    expect(new Set(board.panels.map(({ id }) => id)).size).toBe(board.panels.length);
    const taken = new Set<string>();
    for (const { title, gridPos } of board.panels) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.has(`${x} ${y}`), title).toBe(false);
          taken.add(`${x} ${y}`);
        }
      }
    }
  });

  test('asks whichever source is chosen, by variables that it has', () => {
    const { list } = board.templating;
    expect(list[0]).toMatchObject({ name: 'datasource', type: 'datasource' });
    const names = list.map(({ name }) => name);
    for (const { targets = [] } of drawn) {
      for (const { datasource, expr } of targets) {
        expect(datasource.uid).toBe('${datasource}');
        for (const [, name] of expr.matchAll(/\$([a-z]+)/g)) expect(names).toContain(name);
      }
    }
    for (const { definition } of list.slice(1)) expect(known).toContain(/\((\w+)/.exec(definition!)![1]);
  });
});

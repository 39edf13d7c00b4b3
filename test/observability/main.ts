import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { boards, filledIn, LINT_OF_THE_WINDOW, namesIn, rules } from './asked.ts';
import { buildHouse, type House } from './house.ts';
import { NO_PROMETHEUS, type RunningPrometheus, startPrometheus } from './prometheus.ts';
import { live } from './traffic.ts';

// npm run test:observability: every query that dashboards and rules ask, asked of a real Prometheus that reads live gateways while things go
// wrong. Takes a minute and a half; ends with 1 where one has an error, finds nothing, or names what there is not.

const LIMIT_MS = 170_000;
/** Empty where gateways share no store, and there alone. */
const OF_STORE = /headgate_store_up/;

const problems: string[] = [];
const startedAt = Date.now();
const tell = (line: string): void => console.log(`${((Date.now() - startedAt) / 1000).toFixed(0).padStart(4)} s  ${line}`);

/** What promtool has to say of a page, less what is known. */
async function lint(url: string): Promise<void> {
  const page = await (await fetch(`${url}/metrics`)).text();
  const { stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: page, encoding: 'utf8' });
  for (const line of (stdout + stderr).split('\n'))
    if (line !== '' && line !== LINT_OF_THE_WINDOW) problems.push(`promtool check metrics: ${line}`);
}

async function checkNames(prometheus: RunningPrometheus, house: House): Promise<void> {
  const there = new Set(await prometheus.get<string[]>('label/__name__/values'));
  const asked = [
    ...rules.map(({ expr }) => expr),
    ...boards.flatMap(([, { panels }]) => panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => filledIn(expr)))),
  ];
  const names = new Set(asked.flatMap(namesIn));
  for (const name of names)
    if (!there.has(name) && !(house.missing !== null && OF_STORE.test(name))) problems.push(`unknown metric: ${name}`);
  tell(`${names.size} names are asked for`);
}

async function checkRules(prometheus: RunningPrometheus): Promise<void> {
  const { groups } = await prometheus.get<{ groups: { rules: { name: string; health: string; lastError?: string }[] }[] }>('rules');
  const all = groups.flatMap((group) => group.rules);
  for (const { name, health, lastError } of all) if (health !== 'ok') problems.push(`rule ${name}: ${health} ${lastError ?? ''}`);
  tell(`${all.length} rules were evaluated`);
  for (const { record, labels = {} } of rules) {
    if (record === undefined) continue;
    const of = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    if ((await prometheus.range(`${record}{${of.join()}}`)).length === 0) problems.push(`rule ${record}: empty`);
  }
  const { alerts } = await prometheus.get<{ alerts: { labels: Record<string, string>; state: string }[] }>('alerts');
  const on = new Set(alerts.filter(({ state }) => state === 'firing').map(({ labels }) => labels['alertname']));
  for (const name of ['HeadgateWatchdog', 'HeadgateWorkerOutOfMemory']) if (!on.has(name)) problems.push(`alert ${name} is not on`);
  tell(`alerts that are on: ${[...on].join(', ')}`);
}

async function checkPanels(prometheus: RunningPrometheus, house: House): Promise<void> {
  let queries = 0;
  for (const [file, { panels }] of boards) {
    for (const { title, targets = [] } of panels) {
      for (const { expr, refId } of targets) {
        queries += 1;
        const where = `${file}: ${title} (${refId})`;
        try {
          const found = await prometheus.range(filledIn(expr, '10s'));
          const hasValue = found.some(({ values }) => values.some(([, value]) => value !== 'NaN'));
          if (!hasValue && !(house.missing !== null && OF_STORE.test(expr))) problems.push(`${where}: empty: ${expr}`);
        } catch (error) {
          problems.push(`${where}: ${(error as Error).message}`);
        }
      }
    }
  }
  tell(`${queries} queries of panels were asked`);
  // A panel that shows nothing but zeros looks as one of a metric that nobody counts.
  for (const reason of ['failed', 'rejected']) {
    const [found] = await prometheus.range(`max(headgate_spans_lost_total{reason="${reason}"})`);
    if (!(Number(found?.values.at(-1)?.[1]) > 0)) problems.push(`spans were lost (${reason}), and none is counted`);
  }
}

async function checkExemplars(prometheus: RunningPrometheus): Promise<void> {
  for (const histogram of ['headgate_time_to_first_token_seconds_bucket', 'headgate_request_duration_seconds_bucket']) {
    const found = await prometheus.get<{ exemplars: { labels: Record<string, string> }[] }[]>('query_exemplars', {
      query: histogram,
      start: String(startedAt / 1000),
      end: String(Date.now() / 1000),
    });
    const traces = new Set(found.flatMap(({ exemplars }) => exemplars.map(({ labels }) => labels['trace_id'])));
    if (traces.size === 0) problems.push(`${histogram}: no exemplar`);
  }
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-observability-'));
  try {
    await using house = await buildHouse(folder);
    if (house.missing !== null) tell(`skipped: panels of a shared store: ${house.missing}`);
    const jobs = {
      headgate: [house.full.address, house.front.address],
      vllm: [house.supervised, ...house.engines.map(({ port }) => `127.0.0.1:${port}`)],
    };
    await using prometheus = await startPrometheus(join(folder, 'prometheus'), jobs);
    tell(`Prometheus on ${prometheus.url} reads ${jobs.headgate.length} gateways and ${jobs.vllm.length} engines`);
    await live(house, tell);
    for (const { url } of [house.full, house.front]) await lint(url);
    await checkNames(prometheus, house);
    await checkPanels(prometheus, house);
    await checkRules(prometheus);
    await checkExemplars(prometheus);
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

if (NO_PROMETHEUS === null) {
  setTimeout(() => {
    console.error(`not done within ${LIMIT_MS / 1000} s`);
    process.exit(1);
  }, LIMIT_MS).unref();
  await main();
  for (const problem of problems) console.error(problem);
  tell(problems.length === 0 ? 'every query of every panel and rule finds what it asks for' : `${problems.length} problems`);
  process.exitCode = problems.length === 0 ? 0 : 1;
} else {
  console.log(`skipped: dashboards and rules against a real Prometheus: ${NO_PROMETHEUS}`);
}

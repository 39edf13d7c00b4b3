import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';
import { run, type RunningProcess } from '../support/process.ts';
import { RULES } from './asked.ts';

const isThere = (program: string): boolean => spawnSync(program, ['--version']).status === 0;

/** For the name of what is skipped without it; null: both programs are there. */
export const NO_PROMETHEUS: string | null =
  isThere('prometheus') && isThere('promtool') ? null : 'there is no prometheus and no promtool on the PATH (apt-get install prometheus)';

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [time: number, value: string])[];
}

export interface RunningPrometheus extends AsyncDisposable {
  readonly url: string;
  /** What its API answers, less the envelope. @throws Error with what is wrong with the query */
  get<T>(path: string, parameters?: Readonly<Record<string, string>>): Promise<T>;
  /** Since it was started, every two seconds. */
  range(expr: string): Promise<readonly Series[]>;
  output(): string;
}

/** A Prometheus on loopback that reads these every second, with the rules that are handed out. `jobs`: targets, as host:port, by job. */
export async function startPrometheus(folder: string, jobs: Readonly<Record<string, readonly string[]>>): Promise<RunningPrometheus> {
  const address = `127.0.0.1:${await freePort()}`;
  const all = { ...jobs, prometheus: [address] };
  const config = {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: [join(RULES, '*.yml')],
    scrape_configs: Object.entries(all).map(([job_name, targets]) => ({ job_name, static_configs: [{ targets }] })),
  };
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'prometheus.yml');
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(config));
  const startedAt = Date.now() / 1000;
  const flags = [`--config.file=${file}`, `--storage.tsdb.path=${join(folder, 'data')}`, `--web.listen-address=${address}`];
  const server: RunningProcess = run('prometheus', [...flags, '--enable-feature=exemplar-storage']);
  const url = `http://${address}`;
  const isReady = async (): Promise<boolean> => (await fetch(`${url}/-/ready`).catch(() => null))?.ok ?? false;
  await until(async () => server.child.exitCode !== null || (await isReady()), 'Prometheus is ready', 30_000);
  if (server.child.exitCode !== null) throw new Error(`Prometheus ended:\n${server.output()}`);
  async function get<T>(path: string, parameters: Readonly<Record<string, string>> = {}): Promise<T> {
    const response = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters)}`, { signal: AbortSignal.timeout(20_000) });
    const body = (await response.json()) as { status: string; error?: string; data: T };
    if (body.status !== 'success') throw new Error(body.error ?? `status ${response.status}`);
    return body.data;
  }
  return {
    url,
    get,
    async range(expr) {
      const span = { start: String(startedAt), end: String(Date.now() / 1000), step: '2' };
      return (await get<{ result: readonly Series[] }>('query_range', { query: expr, ...span })).result;
    },
    output: () => server.output(),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ADMIN_KEY, AS_ADMIN } from '../support/admin.ts';
import { until } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';
import { run, type RunningProcess } from '../support/process.ts';

/** The first two have a card each; the third takes turns with one of them. */
export const [FIRST, SECOND, THIRD] = ['llama-3.1-8b-instruct', 'mistral-7b-instruct', 'qwen2.5-14b-instruct'] as const;
const CLI = join(import.meta.dirname, '../../scripts/headgate.ts');
/** More of the card's memory than this is too much for an engine that serves. */
const ENOUGH = 0.89;

export const KEYS = { web: 'hg-console-web-app', reports: 'hg-console-reports', long: 'hg-console-long-name' } as const;
export const LONG_NAME = 'a-team-that-gave-its-key-the-longest-name-that-a-key-can-have-64';

export interface House {
  readonly url: string;
  /** Ends the gateway. */
  stop(): Promise<void>;
  /** Starts it again, where it was. */
  begin(): Promise<void>;
  /** A chat that streams, answered to its end. @returns its status */
  chat(ask: Ask): Promise<number>;
  /** What `/admin/status` answers. */
  workers(): Promise<{ id: string; pid: number; model: string | null; state: string; degradation: unknown[] }[]>;
  /** Sends lines as a batch of the key for reports. @returns its id */
  batch(name: string, lines: readonly object[]): Promise<string>;
  cancel(batch: string): Promise<void>;
  end(): Promise<void>;
}

export interface Ask {
  readonly model: string;
  readonly seed: number;
  readonly tokens?: number;
  /** null: none. */
  readonly key?: string | null;
}

/** The whole program: a gateway, its supervisor, three simulated models on two pretended cards, keys in two places. */
export async function runHeadgate(env: Readonly<Record<string, string>> = {}): Promise<House> {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-console-'));
  const port = await freePort(12);
  const engine = { gpu_memory_utilization: 0.85 };
  const settings = {
    server: { port },
    admin: { key: ADMIN_KEY },
    supervisor: { engine: 'sim', port_range: [port + 1, port + 11], state_dir: join(folder, 'state') },
    models: [
      { id: FIRST, aliases: ['gpt-4o'] },
      { id: SECOND, engine },
      { id: THIRD, engine },
    ],
    auth: {
      allow_anonymous: true,
      keys: [{ name: 'web-app', key: KEYS.web, limits: { requests_per_minute: 600, tokens_per_minute: 200_000, concurrent_requests: 64 } }],
      keys_file: 'keys.yaml',
    },
    limits: { anonymous: { tokens_per_minute: 1_000_000 } },
    // A batch that is still under way when the last view has been looked at, and leaves the machine to the browser.
    batches: { share: 0.1 },
  };
  const inFile = [
    { name: 'nightly-reports', key: KEYS.reports, priority: 'batch', limits: { tokens_per_day: 2_000_000 } },
    {
      name: LONG_NAME,
      key: KEYS.long,
      models: [FIRST, 'gpt-*'],
      on_limit: 'wait',
      limits: { requests_per_minute: 3 },
      expires_at: '2036-01-31',
    },
    { name: 'old-app', key: 'hg-console-of-old-app', expires_at: '2026-01-31' },
  ];
  // JSON is YAML, too.
  writeFileSync(join(folder, 'headgate.yaml'), JSON.stringify(settings));
  writeFileSync(join(folder, 'keys.yaml'), JSON.stringify({ keys: inFile }));
  const simulated = { SIM_GPU: 'l4,l4', SIM_SPEED: '0.25', SIM_START_MS: '3000', SIM_RUNTIME_OOM_ABOVE_UTIL: String(ENOUGH) };
  const start = (): RunningProcess => run(process.execPath, [CLI, 'serve'], { cwd: folder, env: { ...simulated, ...env } });
  let program = start();
  const url = `http://127.0.0.1:${port}`;

  async function workers() {
    const answer = await fetch(`${url}/admin/status`, { headers: AS_ADMIN }).catch(() => null);
    if (!answer?.ok) return [];
    return ((await answer.json()) as { workers: Awaited<ReturnType<House['workers']>> }).workers;
  }

  async function chat({ model, seed, tokens = 20, key = null }: Ask): Promise<number> {
    const body = { model, seed, stream: true, max_tokens: tokens, messages: [{ role: 'user', content: `What is a gate? ${seed}` }] };
    const headers = { 'content-type': 'application/json', ...(key === null ? {} : { authorization: `Bearer ${key}` }) };
    const answer = await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify(body) });
    await answer.text();
    return answer.status;
  }

  async function batch(name: string, lines: readonly object[]): Promise<string> {
    const headers = { authorization: `Bearer ${KEYS.reports}` };
    const text = lines
      .map((body, i) => JSON.stringify({ custom_id: `${i}`, method: 'POST', url: '/v1/chat/completions', body }))
      .join('\n');
    const form = new FormData();
    form.set('purpose', 'batch');
    form.set('file', new Blob([text]), `${name}.jsonl`);
    const file = (await (await fetch(`${url}/v1/files`, { method: 'POST', headers, body: form })).json()) as { id: string };
    const made = await fetch(`${url}/v1/batches`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h', metadata: { name } }),
    });
    return ((await made.json()) as { id: string }).id;
  }

  async function cancel(id: string): Promise<void> {
    await fetch(`${url}/v1/batches/${id}/cancel`, { method: 'POST', headers: { authorization: `Bearer ${KEYS.reports}` } });
  }

  async function stop(): Promise<void> {
    program.child.kill('SIGTERM');
    await program.exited;
  }

  async function end(): Promise<void> {
    await stop();
    rmSync(folder, { recursive: true, force: true });
  }

  async function begin(): Promise<void> {
    program = start();
    await until(async () => (await workers()).length > 0, 'it answers again');
  }

  try {
    const ready = async () => {
      const all = await workers();
      return all.length > 1 && all.every(({ state }) => state === 'ready');
    };
    await until(ready, 'every worker is ready');
  } catch (error) {
    await end();
    throw new Error(program.output(), { cause: error });
  }
  return { url, stop, begin, workers, chat, batch, cancel, end };
}

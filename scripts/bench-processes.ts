import { fork, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

// What several processes cost that are one gateway: `node scripts/bench-processes.ts [processes=2] [connections=64] [seconds=5] [rounds=3]`,
// with so many connections for each process, by turns, the medians of the rounds. Beside one process and several as one gateway stand as
// many gateways that know nothing of each other: what those cost more than one is the machine's, whose cores the load and the worker need
// too; what several as one cost beyond that is the price of being one.

const SELF = fileURLToPath(import.meta.url);
const CLI = fileURLToPath(new URL('./headgate.ts', import.meta.url));
/** Cores for the gateway alone; `taskset -c 1 node scripts/bench-processes.ts` keeps the rest off them. */
const CORES = process.env['BENCH_CORES'];
const TICKS_PER_SECOND = 100;
const ADMIN_KEY = 'key-of-the-benchmark';
const BODY = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi '.repeat(100) }] });

interface Result {
  readonly calls: number;
  readonly seconds: number;
  readonly failed: number;
}

const [role = 'main', ...args] = process.argv.slice(2);
if (role === 'worker') serveWorker();
else if (role === 'load') process.send?.(await load(args[0]!, Number(args[1]), Number(args[2])));
else await main([role, ...args].map(Number).filter((n) => n > 0));

async function main([processes = 2, connections = 64, seconds = 5, rounds = 3]: readonly number[]): Promise<void> {
  const worker = fork(SELF, ['worker']);
  const url = await message<string>(worker);
  const ways: Record<string, { readonly gateways: number; readonly processes: number; readonly measured: Measured[] }> = {
    'one process': { gateways: 1, processes: 1, measured: [] },
    [`${processes} as one gateway`]: { gateways: 1, processes, measured: [] },
    [`${processes} gateways`]: { gateways: processes, processes: 1, measured: [] },
  };
  try {
    for (let round = 0; round < rounds; round++) {
      for (const way of Object.values(ways)) way.measured.push(await measure(url, way.gateways, way.processes, connections, seconds));
    }
    for (const [name, { measured }] of Object.entries(ways)) print(`${name.padEnd(18)} ${line(median(measured))}`);
    const [one, several, apart] = Object.values(ways).map(({ measured }) => median(measured).cpuMs) as [number, number, number];
    print(
      `as one gateway each process does ${percent(one / several)} of what one alone does with the same CPU time; apart ${percent(one / apart)}`,
    );
  } finally {
    worker.kill();
  }
}

interface Measured {
  readonly callsPerSecond: number;
  readonly cpuMs: number;
  readonly failed: number;
  /** Of the CPU time: that of each process that serves. */
  readonly shares: readonly number[];
}

function median(all: readonly Measured[]): Measured {
  return all.toSorted((a, b) => a.cpuMs - b.cpuMs)[Math.floor(all.length / 2)]!;
}

async function measure(worker: string, count: number, processes: number, connections: number, seconds: number): Promise<Measured> {
  const gateways = await Promise.all(Array.from({ length: count }, () => startGateway(worker, processes)));
  const load = (length: number) => Promise.all(gateways.map(({ url }) => run(url, connections * processes, length)));
  try {
    await load(3);
    const serving = gateways.flatMap((gateway) => gateway.serving);
    const pids = [...serving, ...gateways.map(({ pid }) => pid)];
    const before = pids.map(cpuMsOf);
    const results = await load(seconds);
    const spent = pids.map((pid, i) => cpuMsOf(pid) - before[i]!);
    const total = spent.reduce((sum, ms) => sum + ms, 0);
    const calls = results.reduce((sum, result) => sum + result.calls, 0);
    const failed = results.reduce((sum, result) => sum + result.failed, 0);
    return { callsPerSecond: calls / seconds, cpuMs: total / calls, failed, shares: serving.map((_, i) => spent[i]! / total) };
  } finally {
    await Promise.all(gateways.map(({ stop }) => stop()));
  }
}

async function startGateway(worker: string, processes: number) {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-bench-'));
  const settings = { server: { port: 0, processes }, admin: { key: ADMIN_KEY }, workers: [{ url: worker }], log: { level: 'warn' } };
  writeFileSync(join(folder, 'headgate.yaml'), JSON.stringify(settings));
  const flags = ['--max-semi-space-size=16', '--heap-growing-percent=100'];
  const [command, ...prefix] = [...(CORES === undefined ? [] : ['taskset', '-c', CORES]), process.execPath];
  const child = spawn(command!, [...prefix, ...flags, CLI, 'gateway'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
  const url = await readyUrl(child);
  const status = await fetch(`${url}/admin/status`, { headers: { authorization: `Bearer ${ADMIN_KEY}` } });
  const { gateway } = (await status.json()) as { gateway: { pid: number; processes?: number[] } };
  return {
    url,
    pid: gateway.pid,
    serving: gateway.processes ?? [],
    async stop(): Promise<void> {
      child.kill('SIGTERM');
      child.kill('SIGTERM');
      await new Promise((resolve) => child.once('close', resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

function line({ callsPerSecond, cpuMs, failed, shares }: Measured): string {
  const spread = shares.length > 0 ? `, by process ${shares.map(percent).join(' ')}` : '';
  return `${Math.round(callsPerSecond)} calls/s, ${cpuMs.toFixed(4)} ms of CPU time a call${spread}${failed > 0 ? `, ${failed} FAILED` : ''}`;
}

async function run(url: string, connections: number, seconds: number): Promise<Result> {
  return message<Result>(fork(SELF, ['load', url, String(connections), String(seconds)]));
}

/** Asks over so many kept connections, one call after the other on each. */
async function load(url: string, connections: number, seconds: number): Promise<Result> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const startedAt = performance.now();
  const end = startedAt + seconds * 1_000;
  let calls = 0;
  let failed = 0;
  async function client(): Promise<void> {
    while (performance.now() < end) {
      if (await ask(url, agent)) calls += 1;
      else failed += 1;
    }
  }
  await Promise.all(Array.from({ length: connections }, client));
  agent.destroy();
  return { calls, failed, seconds: (performance.now() - startedAt) / 1_000 };
}

function ask(url: string, agent: Agent): Promise<boolean> {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(BODY) };
    const asked = request(`${url}/v1/chat/completions`, { method: 'POST', agent, headers }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode === 200));
    });
    asked.once('error', () => resolve(false));
    asked.end(BODY);
  });
}

/** A vLLM that answers at once. */
function serveWorker(): void {
  const message = { role: 'assistant', content: 'Hello' };
  const usage = { prompt_tokens: 3, total_tokens: 5, completion_tokens: 2 };
  const answer = JSON.stringify({
    id: 'c',
    object: 'chat.completion',
    created: 1,
    model: 'm',
    choices: [{ index: 0, message, finish_reason: 'stop' }],
    usage,
  });
  const pages: Record<string, string> = {
    '/health': '',
    '/version': '{"version":"0.32.0"}',
    '/v1/models': JSON.stringify({
      object: 'list',
      data: [{ id: 'm', object: 'model', created: 1, owned_by: 'vllm', root: 'm', parent: null, max_model_len: 8192 }],
    }),
    '/metrics':
      'vllm:num_requests_running{engine="0"} 0\nvllm:num_requests_waiting{engine="0"} 0\nvllm:kv_cache_usage_perc{engine="0"} 0\n',
  };
  const server = createServer((incoming, response) => {
    incoming.resume();
    incoming.once('end', () => {
      const body = incoming.method === 'POST' ? answer : pages[incoming.url ?? ''];
      const type = incoming.url === '/metrics' ? 'text/plain' : 'application/json';
      response
        .writeHead(body === undefined ? 404 : 200, { 'content-type': type, 'content-length': Buffer.byteLength(body ?? '') })
        .end(body);
    });
  });
  server.listen(0, '127.0.0.1', () => process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
}

function readyUrl(gateway: ChildProcess): Promise<string> {
  let text = '';
  return new Promise((resolve, reject) => {
    gateway.stdout!.on('data', (piece: Buffer) => {
      text += piece.toString();
      const url = /is ready on (http:\/\/[\d.:]+)/.exec(text)?.[1];
      if (url !== undefined) resolve(url);
    });
    gateway.once('close', () => reject(new Error(`the gateway ended: ${text}`)));
  });
}

function message<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve) => child.once('message', (value) => resolve(value as T)));
}

/** User and system time of a process, as the system counts it. */
function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS_PER_SECOND;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

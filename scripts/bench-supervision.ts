import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { cpuUs, memoryMib } from './bench/cpu.ts';
import { tableText } from './bench/table.ts';

// Measures what supervision costs, and how long a death lasts, with the command that an operator runs and the simulated engine.
// A death is a SIGKILL to the engine's leader; an engine that loads in no time stands for one whose load time is its own affair.

const CLI = fileURLToPath(new URL('./headgate.ts', import.meta.url));
const NODE_FLAGS = ['--max-semi-space-size=16', '--heap-growing-percent=100'];
const ADMIN_KEY = randomUUID();
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);
const IDLE_SECONDS = Number(process.env['BENCH_IDLE_SECONDS'] ?? 60);
const FLOOD_SECONDS = Number(process.env['BENCH_FLOOD_SECONDS'] ?? 60);
const FLOOD_MIB = Math.round((200 * FLOOD_SECONDS) / 60);
const STREAMS = 8;

interface Worker {
  readonly pid: number | null;
  readonly state: string;
  readonly restarts: number;
}

interface LogLine {
  readonly time: string;
  readonly event: string;
  readonly state?: string;
}

/** A whole headgate on ports of its own, in a folder of its own. */
class Service implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'headgate-bench-'));
  readonly #child;
  readonly #url: string;
  #output = '';

  constructor(port: number, env: Readonly<Record<string, string>>) {
    this.#url = `http://127.0.0.1:${port}`;
    this.#child = spawn(process.execPath, [...NODE_FLAGS, CLI, '--port', String(port)], {
      cwd: this.#folder,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        HEADGATE_ADMIN__KEY: ADMIN_KEY,
        HEADGATE_SUPERVISOR__ENGINE: 'sim',
        HEADGATE_SUPERVISOR__PORT_RANGE: `[${port + 1}, ${port + 20}]`,
        ...env,
      },
    });
    this.#child.stdout.on('data', (piece: Buffer) => (this.#output += piece.toString()));
  }

  async ready(): Promise<void> {
    for (let tries = 0; tries < 600; tries += 1) {
      if (
        await fetch(`${this.#url}/readyz`).then(
          ({ ok }) => ok,
          () => false,
        )
      )
        return;
      await delay(50);
    }
    throw new Error(`it never became ready:\n${this.#output}`);
  }

  get supervisorPid(): number {
    return JSON.parse(readFileSync(join(this.#folder, '.headgate', 'control.json'), 'utf8')).pid;
  }

  async worker(): Promise<Worker> {
    const status: any = await (await fetch(`${this.#url}/admin/status`, { headers: { 'x-api-key': ADMIN_KEY } })).json();
    return status.workers[0];
  }

  /** What it has logged since, oldest first. */
  logSince(atMs: number): readonly LogLine[] {
    const lines = this.#output.split('\n').filter((line) => line.startsWith('{'));
    return lines.map((line) => JSON.parse(line) as LogLine).filter(({ time }) => Date.parse(time) >= atMs);
  }

  /** When each piece of a stream came, in ms. `AbortError` at `signal` is its end. */
  async stream(signal: AbortSignal): Promise<readonly number[]> {
    const times: number[] = [];
    try {
      const body = { messages: [{ role: 'user', content: 'Hello' }], stream: true, max_tokens: 30_000, ignore_eos: true };
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(`${this.#url}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify(body), signal });
      if (!response.ok) throw new Error(await response.text());
      for await (const _ of response.body!) times.push(performance.now());
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    return times;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGINT');
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

interface Death {
  /** From the kill to the line that explains it. */
  readonly explainedMs: number;
  /** From the kill to the next readiness, but for the engine's own start. */
  readonly recoveredMs: number;
  readonly engineMs: number;
}

async function death(): Promise<Death> {
  await using service = new Service(8910, { SIM_START_MS: '0' });
  await service.ready();
  // A start is not over when it is ready: the process is still compiling what it runs for the first time.
  await delay(3000);
  const { pid } = await service.worker();
  const killedAtMs = Date.now();
  process.kill(pid!, 'SIGKILL');
  for (let tries = 0; tries < 200; tries += 1) {
    const worker = await service.worker();
    if (worker.state === 'ready' && worker.pid !== pid) break;
    await delay(50);
  }
  const log = service.logSince(killedAtMs);
  const at = (event: string, state?: string) => {
    const line = log.find((each) => each.event === event && (state === undefined || each.state === state));
    if (!line) throw new Error(`no ${event} ${state ?? ''} in its log`);
    return Date.parse(line.time);
  };
  // What the engine takes for itself: from its start to its answering.
  const engineMs = at('worker.state', 'warming') - at('worker.state', 'starting');
  const recoveredMs = at('worker.state', 'ready') - killedAtMs - engineMs;
  return { explainedMs: at('worker.failure') - killedAtMs, recoveredMs, engineMs };
}

interface Load {
  readonly cpuPercent: number;
  readonly peakMib: number;
  readonly gapP50Ms: number;
  readonly gapP99Ms: number;
}

/** The supervisor's share of a core and the gaps between tokens of a few streams, while the engine prints so much. */
async function underLog(logMib: number, streams: number, seconds: number): Promise<Load> {
  await using service = new Service(8940, {
    ...{ SIM_LOG_MIB: String(logMib), SIM_LOG_SECONDS: String(seconds) },
  });
  await service.ready();
  await delay(3000);
  const pid = service.supervisorPid;
  const end = AbortSignal.timeout(seconds * 1000);
  const [before, begunAt] = [cpuUs(pid), performance.now()];
  const open = Array.from({ length: streams }, () => service.stream(end));
  const times = await Promise.all(open);
  await delay(Math.max(0, begunAt + seconds * 1000 - performance.now()));
  const cpuPercent = (cpuUs(pid) - before) / (performance.now() - begunAt) / 10;
  const gaps = times.flatMap((each) => each.slice(1).map((at, index) => at - each[index]!)).toSorted((a, b) => a - b);
  const quantile = (share: number) => gaps[Math.floor(gaps.length * share)] ?? 0;
  return { cpuPercent, peakMib: memoryMib(pid, 'peak'), gapP50Ms: quantile(0.5), gapP99Ms: quantile(0.99) };
}

const deaths: Death[] = [];
for (let round = 0; round < ROUNDS; round += 1) deaths.push(await death());
const median = (what: keyof Death) => deaths.map((each) => each[what]).toSorted((a, b) => a - b)[Math.floor(deaths.length / 2)]!;
const idle = await underLog(0, 0, IDLE_SECONDS);
const quiet = await underLog(0, STREAMS, FLOOD_SECONDS);
const flood = await underLog(FLOOD_MIB, STREAMS, FLOOD_SECONDS);

process.stdout.write(
  tableText([
    ['what', 'measured'],
    ['death to its explanation in the log, ms', String(median('explainedMs'))],
    ['death to serving again, the engine’s own start aside, s', (median('recoveredMs') / 1000).toFixed(1)],
    [`supervisor idle for ${IDLE_SECONDS} s, % of a core`, idle.cpuPercent.toFixed(2)],
    ['supervisor idle, peak memory MiB', String(idle.peakMib)],
    [`the same while the engine prints ${FLOOD_MIB} MiB in ${FLOOD_SECONDS} s, % of a core`, flood.cpuPercent.toFixed(2)],
    ['the same, peak memory MiB', String(flood.peakMib)],
    [`gap between tokens of ${STREAMS} streams ms, p50 / p99, engine quiet`, `${quiet.gapP50Ms.toFixed(1)} / ${quiet.gapP99Ms.toFixed(1)}`],
    ['the same while it prints', `${flood.gapP50Ms.toFixed(1)} / ${flood.gapP99Ms.toFixed(1)}`],
  ]),
);
console.log(
  `\nmedian of ${ROUNDS} deaths; the engine’s own start took ${(median('engineMs') / 1000).toFixed(1)} s; node ${process.versions.node}`,
);

import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { cpuUs, memoryMib, printTable } from './measure.ts';

// Measures what the gateway costs beside HAProxy, in one run, with every policy at its default and metrics and logs on.
// CPU time is the scheduler's own account of the proxy's threads, so that a busy machine does not change it much; quote the ratios.
// Needs a native backend and load generator (stub.c, load.c and haproxy.cfg) in a folder named by HEADGATE_RIG, gcc, and haproxy on the PATH.

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const RIG = process.env['HEADGATE_RIG'] ?? join(ROOT, '../shared/rig');
const STUB_PORT = 9000;
const HAPROXY_PORT = 9102;
const HEADGATE_PORT = 9200;
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);
const SECONDS = process.env['BENCH_SECONDS'] ?? '4';
const PROXY_CPU = '0';
const LOAD_CPU = '1';

interface Measured {
  readonly ok: number;
  readonly errors: number;
  readonly chunks: number;
  readonly chunksPerSecond: number;
  readonly cpuUs: number;
  readonly p50Us: number;
  readonly chunkDelayP99Us: number;
  readonly peakMib: number;
}

interface Proxy {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
}

if (!existsSync(join(RIG, 'load.c'))) {
  console.log(`bench: skipped, there is no measuring rig at ${RIG}. Set HEADGATE_RIG to a folder with load.c, stub.c and haproxy.cfg.`);
  process.exit(0);
}

const work = mkdtempSync(join(tmpdir(), 'headgate-bench-'));
const children: ChildProcess[] = [];
try {
  await run();
} finally {
  for (const child of children) child.kill('SIGINT');
  await delay(500);
  rmSync(work, { recursive: true, force: true });
}

async function run(): Promise<void> {
  for (const name of ['stub', 'load']) execFileSync('gcc', ['-O2', '-o', join(work, name), join(RIG, `${name}.c`), '-lm']);
  const settings = join(work, 'headgate.yaml');
  // The stub runs any number of streams; all else is default.
  writeFileSync(settings, `workers: [{ url: "http://127.0.0.1:${STUB_PORT}", max_num_seqs: 1000 }]\nserver: { port: ${HEADGATE_PORT} }\n`);
  start(LOAD_CPU, join(work, 'stub'), [String(STUB_PORT), '0', '64', '20000']);
  const haproxy = has('haproxy') ? start(PROXY_CPU, 'haproxy', ['-f', join(RIG, 'haproxy.cfg')]) : null;
  if (!haproxy) console.log('haproxy is not installed: no ratios.');
  const startedAt = performance.now();
  const headgate = start(
    PROXY_CPU,
    process.execPath,
    ['--max-semi-space-size=16', '--heap-growing-percent=100', join(ROOT, 'scripts/headgate.ts'), 'gateway', '--config', settings],
    work,
  );
  await listening(HEADGATE_PORT);
  const startMs = performance.now() - startedAt;
  await ready();

  const gate: Proxy = { name: 'headgate', port: HEADGATE_PORT, pid: headgate.pid! };
  const plain: Proxy | null = haproxy && { name: 'haproxy', port: HAPROXY_PORT, pid: haproxy.pid! };
  measure(gate, ['-c', '32', '-d', '3']);

  const idleCpu = await idle(gate.pid);
  const request = compare(gate, plain, ['-c', '32', '-d', SECONDS], (m) => m.cpuUs / m.ok);
  const chunk = compare(gate, plain, ['-c', '256', '-s', '-d', SECONDS], (m) => m.cpuUs / m.chunks);
  const many = compare(gate, plain, ['-c', '1000', '-s', '-d', SECONDS], (m) => m.cpuUs / m.chunks);
  const light = measure(gate, ['-r', '200', '-c', '64', '-d', SECONDS]);
  const direct = measure({ name: 'direct', port: STUB_PORT, pid: gate.pid }, ['-r', '200', '-c', '64', '-d', SECONDS]);

  const rows: string[][] = [
    ['what', 'headgate', 'haproxy', 'ratio'],
    ['CPU µs a non-streaming chat, 32 connections', ...figures(request)],
    ['CPU µs a streamed chunk, 256 streams', ...figures(chunk)],
    ['CPU µs a streamed chunk, 1,000 streams', ...figures(many)],
    ['chunks a second of 50,000 offered, 1,000 streams', ...pair(many, (m) => String(Math.round(m.chunksPerSecond)))],
    ['chunk delay p99 ms, 1,000 streams', ...pair(many, (m) => (m.chunkDelayP99Us / 1000).toFixed(1))],
    ['peak memory MiB, 1,000 streams', ...pair(many, (m) => String(m.peakMib))],
    ['added p50 µs at 200 requests a second', String(Math.round(light.p50Us - direct.p50Us)), '', ''],
    ['start to listening ms', String(Math.round(startMs)), '', ''],
    ['idle CPU %', idleCpu.toFixed(2), '', ''],
    ['errors', String(request.gate.errors + chunk.gate.errors + many.gate.errors + light.errors), '', ''],
  ];
  printTable(rows);
  console.log(
    `\nmedian of ${ROUNDS} rounds of ${SECONDS} s; node ${process.versions.node}; proxies on CPU ${PROXY_CPU}, stub and load on CPU ${LOAD_CPU}`,
  );
}

interface Compared {
  readonly gate: Measured;
  readonly plain: Measured | null;
  readonly gateCost: number;
  readonly plainCost: number | null;
}

/** The two in turn, and of each the round with the median cost. */
function compare(gate: Proxy, plain: Proxy | null, load: string[], cost: (measured: Measured) => number): Compared {
  const gates: Measured[] = [];
  const plains: Measured[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    if (plain) plains.push(measure(plain, load));
    gates.push(measure(gate, load));
  }
  const median = (all: Measured[]): Measured => all.toSorted((a, b) => cost(a) - cost(b))[Math.floor(all.length / 2)]!;
  const best = median(gates);
  const other = plain ? median(plains) : null;
  return { gate: best, plain: other, gateCost: cost(best), plainCost: other && cost(other) };
}

function figures({ gateCost, plainCost }: Compared): string[] {
  return [gateCost.toFixed(1), plainCost?.toFixed(1) ?? '', plainCost === null ? '' : (gateCost / plainCost).toFixed(2)];
}

function pair({ gate, plain }: Compared, show: (measured: Measured) => string): string[] {
  return [show(gate), plain ? show(plain) : '', ''];
}

function measure(proxy: Proxy, load: string[]): Measured {
  const before = cpuUs(proxy.pid);
  const output = execFileSync('taskset', ['-c', LOAD_CPU, join(work, 'load'), String(proxy.port), ...load], { encoding: 'utf8' });
  const used = cpuUs(proxy.pid) - before;
  const result = JSON.parse(output);
  return {
    ok: Math.max(1, result.ok),
    errors: result.errors,
    chunks: Math.max(1, result.chunks),
    chunksPerSecond: result.chunks_per_s,
    cpuUs: used,
    p50Us: result.latency_us.p50,
    chunkDelayP99Us: result.chunk_delay_us.p99,
    peakMib: memoryMib(proxy.pid, 'peak'),
  };
}

async function idle(pid: number): Promise<number> {
  await delay(1_000);
  const before = cpuUs(pid);
  const startedAt = performance.now();
  await delay(5_000);
  return (cpuUs(pid) - before) / (performance.now() - startedAt) / 10;
}

function start(cpu: string, command: string, args: string[], cwd: string = work): ChildProcess {
  const child = spawn('taskset', ['-c', cpu, command, ...args], { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
  children.push(child);
  return child;
}

function has(command: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

async function listening(port: number): Promise<void> {
  for (let tries = 0; tries < 1_000; tries++) {
    try {
      await fetch(`http://127.0.0.1:${port}/livez`);
      return;
    } catch {
      await delay(5);
    }
  }
  throw new Error(`nothing listens on ${port}`);
}

async function ready(): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if ((await fetch(`http://127.0.0.1:${HEADGATE_PORT}/readyz`)).status === 200) return;
    await delay(50);
  }
  throw new Error('the gateway never became ready');
}

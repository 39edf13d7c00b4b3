import { spawn, type ChildProcess } from 'node:child_process';
import { createReadStream, createWriteStream, mkdtempSync, openAsBlob, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

// What a batch costs and how fast it is: `node scripts/bench-batches.ts [lines=50000] [streams=100]`. A file of so many chats of 3 KB each is
// sent, validated and run on the simulated engine, which waits for nothing (SIM_SPEED=0), and read back; then so many interactive streams of
// another simulated engine, which takes its time, run at the same gateway alone and beside the same batch again. Every line must be there
// once. Both engines, the gateway and this program share the machine: on two cores they are in each other's way.

const CLI = fileURLToPath(new URL('./headgate.ts', import.meta.url));
const [lines = 50_000, streams = 100] = process.argv.slice(2).map(Number);
const PROMPT = 'Tell me what you know of the sea, of ships and of those who sail on them, in a few words. '.repeat(31);
const SAMPLE_MS = 100;
const TICKS_PER_S = 100;
const STREAM_TOKENS = 256;

const folder = mkdtempSync(join(tmpdir(), 'headgate-bench-batches-'));
const children: ChildProcess[] = [];
const clean = (): void => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
};
process.once('exit', clean);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
await main();

async function main(): Promise<void> {
  const [fast, slow, port] = [await freePort(), await freePort(), await freePort()];
  simulate('bulk', fast, '0');
  simulate('talk', slow, '1');
  const url = `http://127.0.0.1:${port}`;
  const settings = {
    server: { port },
    log: { level: 'warn' },
    files: { dir: join(folder, 'files') },
    database: { url: `sqlite:${join(folder, 'headgate.db')}` },
    workers: [
      { url: `http://127.0.0.1:${fast}`, models: ['bulk'], max_num_seqs: 256 },
      { url: `http://127.0.0.1:${slow}`, models: ['talk'], max_num_seqs: 256 },
    ],
  };
  writeFileSync(join(folder, 'headgate.yaml'), JSON.stringify(settings));
  const gateway = start(['--max-semi-space-size=16', '--heap-growing-percent=100', CLI, 'gateway'], {});
  for (const model of ['bulk', 'talk']) await until(async () => (await chat(url, model)) === 200, `${model} answers`);
  const input = join(folder, 'input.jsonl');
  await writeInput(input);
  const memory = watchMemory(gateway.pid!);

  const begun = performance.now();
  const file = await upload(url, input);
  const sentMs = performance.now() - begun;
  const bytes = file.bytes;
  say(`sent ${(bytes / 1e6).toFixed(0)} MB in ${(sentMs / 1e3).toFixed(2)} s: ${(bytes / 1e3 / sentMs).toFixed(0)} MB/s`);
  const sentMib = memory.most();
  let validatedMib = 0;
  const first = await run(url, file.id, gateway.pid!, () => (validatedMib = memory.most()));
  say(`${lines} lines validated in ${(first.validatedMs / 1e3).toFixed(1)} s`);
  say(
    `run and put together in ${(first.ranMs / 1e3).toFixed(1)} s: ${((1e3 * lines) / first.ranMs).toFixed(0)} lines/s, ${first.cpuUsPerLine.toFixed(0)} µs of CPU time of the gateway a line`,
  );
  say(`from the first byte sent to the end: ${((1e3 * lines) / (sentMs + first.validatedMs + first.ranMs)).toFixed(0)} lines/s`);
  await checkOutput(url, first.output);
  say(
    `memory of the gateway: ${memory.before.toFixed(0)} MiB before, at most ${sentMib.toFixed(0)} once it was sent, ${validatedMib.toFixed(0)} validated, ${memory.most().toFixed(0)} in all`,
  );

  if (streams === 0) process.exit();
  const alone = await talk(url, () => true, 8_000);
  const batch = run(url, file.id, gateway.pid!);
  let isRunning = true;
  void batch.finally(() => (isRunning = false));
  const beside = await talk(url, () => isRunning, 60_000);
  const second = await batch;
  say(
    `${streams} streams alone: time to first token p50 ${alone.first(0.5)} p99 ${alone.first(0.99)} ms, between tokens p50 ${alone.gap(0.5)} p99 ${alone.gap(0.99)} ms`,
  );
  say(
    `beside a batch:     time to first token p50 ${beside.first(0.5)} p99 ${beside.first(0.99)} ms, between tokens p50 ${beside.gap(0.5)} p99 ${beside.gap(0.99)} ms`,
  );
  say(`the batch beside them: ${((1e3 * lines) / second.ranMs).toFixed(0)} lines/s`);
  process.exit();
}

function start(args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  const child = spawn(process.execPath, args, { cwd: folder, env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'inherit'] });
  children.push(child);
  return child;
}

function simulate(model: string, port: number, speed: string): void {
  start([CLI, 'sim', 'serve', model, '--port', String(port), '--host', '127.0.0.1'], { SIM_SPEED: speed, SIM_START_MS: '100' });
}

async function writeInput(path: string): Promise<void> {
  const out = createWriteStream(path);
  for (let i = 0; i < lines; i++) {
    const body = { model: 'bulk', messages: [{ role: 'user', content: `${i}: ${PROMPT}` }], max_tokens: 16 };
    const line = `${JSON.stringify({ custom_id: `line-${i}`, method: 'POST', url: '/v1/chat/completions', body })}\n`;
    if (!out.write(line)) await new Promise((resolve) => out.once('drain', resolve));
  }
  await new Promise<void>((resolve) => out.end(resolve));
}

async function upload(url: string, path: string): Promise<{ id: string; bytes: number }> {
  const form = new FormData();
  form.set('file', await openAsBlob(path), 'input.jsonl');
  form.set('purpose', 'batch');
  const response = await fetch(`${url}/v1/files`, { method: 'POST', body: form });
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()) as { id: string; bytes: number };
}

interface Batch {
  readonly id: string;
  readonly status: string;
  readonly output_file_id: string | null;
  readonly request_counts: { readonly total: number; readonly completed: number; readonly failed: number };
  readonly errors: unknown;
}

async function run(
  url: string,
  input: string,
  pid: number,
  onValidated = () => {},
): Promise<{ validatedMs: number; ranMs: number; cpuUsPerLine: number; output: string }> {
  const asked = { input_file_id: input, endpoint: '/v1/chat/completions', completion_window: '24h' };
  const begun = performance.now();
  const created = await fetch(`${url}/v1/batches`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(asked),
  });
  const { id } = (await created.json()) as Batch;
  let validatedAt: number | null = null;
  let cpuBefore = 0;
  for (;;) {
    const batch = (await (await fetch(`${url}/v1/batches/${id}`)).json()) as Batch;
    if (validatedAt === null && batch.status !== 'validating') {
      validatedAt = performance.now();
      onValidated();
      cpuBefore = cpuUs(pid);
    }
    if (batch.status === 'completed') {
      const ended = performance.now();
      const { completed, failed } = batch.request_counts;
      if (completed !== lines) throw new Error(`${completed} of ${lines} lines have completed, ${failed} have failed`);
      const cpuUsPerLine = (cpuUs(pid) - cpuBefore) / lines;
      return { validatedMs: validatedAt! - begun, ranMs: ended - validatedAt!, cpuUsPerLine, output: batch.output_file_id! };
    }
    if (['failed', 'expired', 'cancelled'].includes(batch.status)) throw new Error(JSON.stringify(batch));
    await delay(SAMPLE_MS);
  }
}

async function checkOutput(url: string, id: string): Promise<void> {
  const path = join(folder, 'output.jsonl');
  const response = await fetch(`${url}/v1/files/${id}/content`);
  const out = createWriteStream(path);
  for await (const piece of response.body!) out.write(piece);
  await new Promise<void>((resolve) => out.end(resolve));
  const seen = new Set<string>();
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const { custom_id: name, response: answer } = JSON.parse(line) as { custom_id: string; response: { status_code: number } };
    if (seen.has(name) || answer.status_code !== 200) throw new Error(`${name} is there twice, or was not answered`);
    seen.add(name);
  }
  if (seen.size !== lines) throw new Error(`${seen.size} of ${lines} lines are in the output`);
}

/** Streams one after the other on so many connections, as long as `goesOn`. */
async function talk(url: string, goesOn: () => boolean, mostMs: number) {
  const firsts: number[] = [];
  const gaps: number[] = [];
  const end = performance.now() + mostMs;
  const client = async (): Promise<void> => {
    while (goesOn() && performance.now() < end) {
      const body = { model: 'talk', stream: true, max_tokens: STREAM_TOKENS, messages: [{ role: 'user', content: 'Talk to me.' }] };
      const sent = performance.now();
      const response = await fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      let last = 0;
      for await (const piece of response.body!) {
        const now = performance.now();
        const events = Buffer.from(piece).toString('latin1').split('data: ').length - 1;
        if (last === 0) firsts.push(now - sent);
        else for (let i = 0; i < events; i++) gaps.push((now - last) / events);
        last = now;
        if (!goesOn() || now > end) break;
      }
    }
  };
  await Promise.all(Array.from({ length: streams }, client));
  const of = (values: number[]) => (share: number) => {
    const sorted = values.toSorted((a, b) => a - b);
    return (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN).toFixed(1);
  };
  return { first: of(firsts), gap: of(gaps) };
}

async function chat(url: string, model: string): Promise<number> {
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }], max_tokens: 1 });
  const asked = fetch(`${url}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  return asked.then(async (response) => (await response.text(), response.status)).catch(() => 0);
}

function watchMemory(pid: number): { readonly before: number; most(): number } {
  const before = rssMib(pid);
  let most = before;
  const timer = setInterval(() => (most = Math.max(most, rssMib(pid))), SAMPLE_MS);
  timer.unref();
  return { before, most: () => most };
}

function rssMib(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
}

/** Of all threads of a process. */
function cpuUs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1e6) / TICKS_PER_S;
}

async function until(condition: () => Promise<boolean>, what: string): Promise<void> {
  for (const end = performance.now() + 60_000; !(await condition()); await delay(SAMPLE_MS)) {
    if (performance.now() > end) throw new Error(`never came about: ${what}`);
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

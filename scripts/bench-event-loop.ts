import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { batchOf, chatLine, submitFile, upload, whenEnded } from './shows/batch.ts';
import { freePort, say, Scene, until } from './shows/scene.ts';

// What running streams notice of files and batches: `node scripts/bench-event-loop.ts [rounds=3] [streams=32]`. Gaps between the tokens of
// streams whose engine takes its time, and how late the gateway's event loop was in those seconds, while nothing else happens, while a process
// that has nothing to do with the gateway uses a core (where two share the machine, so much is the cores' doing), while 150 MB are sent, while
// 50,000 lines are validated, and while lines of a batch end. Arms take turns; figures are medians of the rounds.

const [rounds = 3, streams = 32] = process.argv.slice(2).map(Number);
const [TALK, BULK] = ['talk', 'bulk'] as const;
const ARM_MS = 5_000;
const LINES = 50_000;
const TOKENS = 16;
const PROMPT = 'Tell me what you know of the sea, of ships and of those who sail on them, in a few words. '.repeat(31);
const LIMIT_MS = 600_000;
const WARM_MS = 1_500;
/** How often the gateway looks how late its event loop is; that is no lateness. */
const SAMPLE_MS = 20;
const BURN = 'for (;;) {}';

interface Arm {
  readonly name: string;
  /** Not measured. */
  readonly before?: () => Promise<unknown>;
  readonly run: () => Promise<unknown>;
  readonly after?: () => Promise<unknown>;
}

interface Figures {
  readonly loopP99: number;
  readonly loopMax: number;
  readonly gapP50: number;
  readonly gapP99: number;
  /** Of the thread of the event loop: % of the time that it ran, and that it could have run and had no core. */
  readonly ran: number;
  readonly waited: number;
}

/** The batch that was begun last. */
let latest = '';

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
await main();

async function main(): Promise<void> {
  const [talk, bulk] = [await freePort(), await freePort()];
  const settings = {
    workers: [
      { url: `http://127.0.0.1:${talk}`, models: [TALK], max_num_seqs: 256 },
      { url: `http://127.0.0.1:${bulk}`, models: [BULK], max_num_seqs: 32 },
    ],
    log: { level: 'warn' },
    supervisor: { enabled: false },
  };
  using scene = await Scene.open(settings, { SIM_SPEED: '3', SIM_START_MS: '100' });
  for (const [model, port] of [
    [TALK, talk],
    [BULK, bulk],
  ] as const)
    scene.start('sim', 'serve', model, '--port', String(port), '--host', '127.0.0.1');
  const pid = scene.start('gateway').pid!;
  await scene.ready();
  const large = linesOf(LINES);
  const file = await upload(scene.url, large);
  const some = await upload(scene.url, linesOf(LINES / 10));
  const arms: readonly Arm[] = [
    { name: 'nothing else', run: () => delay(ARM_MS) },
    { name: 'a core in use', run: burn },
    { name: `${Math.round(large.size / 1e6)} MB sent`, run: () => upload(scene.url, large) },
    { name: `${LINES} lines validated`, run: () => validated(scene.url, file), after: () => cancelled(scene.url) },
    { name: 'lines ending', before: () => validated(scene.url, some), run: () => delay(ARM_MS), after: () => cancelled(scene.url) },
  ];
  const seen = new Map<string, Figures[]>();
  for (let round = 0; round < rounds; round++) {
    for (let at = 0; at < arms.length; at++) {
      const { name, before, run, after } = arms[(at + round) % arms.length]!;
      await before?.();
      const figures = await measured(scene.url, pid, run);
      await after?.();
      seen.set(name, [...(seen.get(name) ?? []), figures]);
    }
  }
  say(
    `${streams} streams, ${rounds} rounds; ms         event loop late p99   most   between tokens p50   p99   ran %   waited for a core %`,
  );
  for (const { name } of arms) {
    const of = (field: keyof Figures): string => median(seen.get(name)!.map((figures) => figures[field])).toFixed(1);
    say(
      `${name.padEnd(38)}${of('loopP99').padStart(20)}${of('loopMax').padStart(7)}${of('gapP50').padStart(21)}${of('gapP99').padStart(6)}${of('ran').padStart(8)}${of('waited').padStart(22)}`,
    );
  }
}

/** What streams and the event loop see while it runs. */
async function measured(url: string, pid: number, run: () => Promise<unknown>): Promise<Figures> {
  const gaps: number[] = [];
  const stop = new AbortController();
  const talking = Promise.all(Array.from({ length: streams }, () => talk(url, gaps, stop.signal)));
  await delay(WARM_MS);
  await lateness(url);
  gaps.length = 0;
  const [begun, before] = [performance.now(), scheduled(pid)];
  await run();
  const [ms, after] = [performance.now() - begun, scheduled(pid)];
  const sorted = gaps.toSorted((a, b) => a - b);
  const late = await lateness(url);
  stop.abort();
  await talking;
  const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? NaN;
  const share = (from: number, to: number): number => (100 * (to - from)) / (1e6 * ms);
  return {
    ...late,
    gapP50: at(0.5),
    gapP99: at(0.99),
    ...{ ran: share(before.ran, after.ran), waited: share(before.waited, after.waited) },
  };
}

/** Of the main thread, by the scheduler's own account. Nanoseconds. */
function scheduled(pid: number): { readonly ran: number; readonly waited: number } {
  const [ran, waited] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ').map(Number);
  return { ran: ran ?? NaN, waited: waited ?? NaN };
}

/** Of the gateway's event loop, since it was asked last: each answer of /metrics begins anew. */
async function lateness(url: string): Promise<Pick<Figures, 'loopP99' | 'loopMax'>> {
  const page = await (await fetch(`${url}/metrics`)).text();
  const of = (which: string): number =>
    Math.max(0, 1e3 * Number(new RegExp(`^nodejs_eventloop_lag_${which}_seconds (\\S+)$`, 'm').exec(page)?.[1]) - SAMPLE_MS);
  return { loopP99: of('p99'), loopMax: of('max') };
}

/** One stream after the other, until it is told to stop. */
async function talk(url: string, gaps: number[], signal: AbortSignal): Promise<void> {
  const body = JSON.stringify({ model: TALK, stream: true, max_tokens: 256, messages: [{ role: 'user', content: 'Talk to me.' }] });
  try {
    while (!signal.aborted) {
      const response = await fetch(`${url}/v1/chat/completions`, {
        ...{ method: 'POST', headers: { 'content-type': 'application/json' }, body, signal },
      });
      let last = 0;
      for await (const piece of response.body!) {
        const now = performance.now();
        const events = Buffer.from(piece).toString('latin1').split('data: ').length - 1;
        if (last !== 0 && events > 0) gaps.push((now - last) / events);
        last = now;
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** As much of a core as there is, by somebody else. */
async function burn(): Promise<void> {
  const burner: ChildProcess = spawn(process.execPath, ['-e', BURN], { stdio: 'ignore' });
  const end = (): void => void burner.kill('SIGKILL');
  process.once('exit', end);
  await delay(ARM_MS);
  end();
  process.off('exit', end);
}

async function validated(url: string, file: string): Promise<void> {
  latest = await submitFile(url, file);
  await until(async () => (await batchOf(url, latest))?.status === 'in_progress', 'it is validated', LIMIT_MS);
}

async function cancelled(url: string): Promise<void> {
  await fetch(`${url}/v1/batches/${latest}/cancel`, { method: 'POST' });
  await whenEnded(url, latest, LIMIT_MS);
}

function linesOf(count: number): Blob {
  return new Blob(Array.from({ length: count }, (_, at) => `${chatLine(`${at}`, `${at}: ${PROMPT}`, BULK, TOKENS)}\n`));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

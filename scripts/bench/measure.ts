import { setTimeout as delay } from 'node:timers/promises';
import { type Case, WARM_UP } from './cases.ts';
import { accountOf, type CpuAccount, treeKib, usedUs } from './cpu.ts';
import type { Round } from './result.ts';
import type { Running } from './running.ts';
import { median } from './statistics.ts';
import type { LoadOptions } from './tools/load-options.ts';
import type { LoadResult } from './tools/tally.ts';
import type { StubFigures, Tools } from './tools.ts';

/** A worker takes this long at most to notice that somebody has left. */
const LEFT_MS = 3_000;
const SAMPLE_MS = 200;
const HELD_TOKENS = 1_000_000;
/** So long is a process left alone before its memory is looked at, and a little of the time that it is idle. */
const REST_MS = 1_500;

/** A few calls as the case makes them, so that the first round meets what the others do. */
export async function warmUp(of: Case | null, running: Running, tools: Tools, seconds: number): Promise<void> {
  // V8 goes on compiling for tens of thousands of calls.
  if (of === null) await tools.load(running.port, { ...WARM_UP, seconds: 2 * seconds, path: `${running.prefix}/v1/chat/completions` });
  else if (of.kind === 'load') {
    const calls = of.unit === 'chunk' ? (of.load.connections ?? 1) : 0;
    await tools.load(running.port, { ...asked(of, running), seconds: Math.min(0.5, seconds), ...(calls > 0 ? { calls } : {}) });
  }
}

/** One round of a load at one proxy: what it cost, and what its clients had of it. */
export async function underLoad(of: Case, running: Running, tools: Tools, seconds: number): Promise<Round> {
  await tools.stub(of.stepUs);
  // What a slow proxy has left behind is not this one's.
  const seen = await quiet(tools);
  const before = running.pid === null ? null : accountOf(running.pid);
  const result = await tools.load(running.port, { ...asked(of, running), seconds });
  const used = before === null ? null : usedUs(before, accountOf(running.pid!));
  const units = of.unit === 'chunk' ? result.chunks : result.ok;
  const figures: Record<string, number> = {
    ...clientFigures(of, result),
    ...(used === null ? {} : { cpu_us: used.cpuUs, ticks_us: used.ticksUs, cores: used.cpuUs / (result.seconds * 1e6) }),
    ...(used === null || units === 0 ? {} : { cost_us: used.cpuUs / units }),
  };
  if (result.aborted > 0) {
    figures['aborted'] = result.aborted;
    figures['aborts_noticed'] = ((await quiet(tools)).aborts - seen.aborts) / result.aborted;
  }
  return { figures, errors: result.errors };
}

/** When nothing streams any more, or after a while all the same. */
async function quiet(tools: Tools): Promise<StubFigures> {
  for (const until = performance.now() + LEFT_MS; ; await delay(20)) {
    const figures = await tools.stub();
    if (figures.streaming === 0 || performance.now() > until) return figures;
  }
}

/** Memory with so many streams open beside what there was before the first. The proxy is a fresh one. */
export async function whileHeld(of: Case, running: Running, tools: Tools, seconds: number): Promise<Round> {
  const pid = running.pid!;
  const streams = of.load.connections ?? 1;
  await tools.load(running.port, { ...WARM_UP, path: `${running.prefix}/v1/chat/completions`, seconds: 1 });
  await tools.stub(of.stepUs);
  await delay(REST_MS);
  const before = treeKib(pid);
  // Opening them takes a while, too: five seconds for 5,000, in a slow proxy.
  const length = Math.max(3, 2 * seconds) + streams / 500;
  const held = tools.load(running.port, { ...asked(of, running), maxTokens: HELD_TOKENS, seconds: length, graceS: 0 });
  const samples: number[] = [];
  let isOver = false;
  void held.finally(() => (isOver = true)).catch(() => {});
  while (!isOver) {
    if ((await tools.stub()).streaming >= streams) samples.push(treeKib(pid));
    await delay(SAMPLE_MS);
  }
  const { errors } = await held;
  // Right after the last one has come, some of what they needed on the way is still there. The last sample may be of their end.
  const settled = samples.slice(Math.floor(samples.length / 2), -1);
  if (settled.length === 0) return { figures: {}, errors: { ...errors, 'not all open': 1 } };
  const kib = median(settled);
  return {
    figures: {
      before_mib: before / 1024,
      held_mib: kib / 1024,
      most_mib: Math.max(...samples) / 1024,
      stream_kib: (kib - before) / streams,
    },
    errors,
  };
}

/** All proxies at once, while nobody asks them anything. */
export async function whileIdle(all: readonly Running[], seconds: number): Promise<ReadonlyMap<string, Round>> {
  await delay(REST_MS);
  const before = new Map<Running, CpuAccount>(all.flatMap((running) => (running.pid === null ? [] : [[running, accountOf(running.pid)]])));
  const begunMs = performance.now();
  await delay(Math.max(3, seconds) * 1000);
  const percent = (us: number) => us / (performance.now() - begunMs) / 10;
  return new Map(
    [...before].map(([{ name, pid }, account]) => {
      const used = usedUs(account, accountOf(pid!));
      return [name, { figures: { idle_percent: percent(used.cpuUs), idle_mib: treeKib(pid!) / 1024 }, errors: {} }];
    }),
  );
}

function asked({ load }: Case, { prefix }: Running): Partial<LoadOptions> {
  return { ...load, path: `${prefix}${load.path ?? '/v1/chat/completions'}` };
}

function clientFigures({ unit }: Case, result: LoadResult): Record<string, number> {
  const { seconds, ok, chunks, latency_us, first_byte_us, chunk_delay_us, late_us } = result;
  return {
    ...{ seconds, ok, p50_us: latency_us.p50, p99_us: latency_us.p99, calls_per_s: ok / seconds },
    ...{ first_byte_p50_us: first_byte_us.p50, first_byte_p99_us: first_byte_us.p99, late_p99_us: late_us.p99 },
    ...(unit === 'chunk'
      ? { chunks, chunks_per_s: chunks / seconds, delay_p50_us: chunk_delay_us.p50, delay_p99_us: chunk_delay_us.p99 }
      : {}),
  };
}

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { runLoad } from '../load/calls/run-load.ts';
import { type Distribution, distributionOf } from '../load/figures/distribution.ts';
import { e2eOf, tpotOf, ttftOf } from '../load/figures/times.ts';
import type { ToldDelays } from '../load/stub/known-delays.ts';
import { arrivals } from '../load/workload/arrivals.ts';
import { seeded } from '../load/workload/seeded.ts';
import { syntheticPrompts } from '../load/workload/prompts.ts';

/** Measured and true delays may be so far apart, as a share. */
const AGREED = 0.02;
const PROMPTS = { input: { kind: 'fixed', tokens: 20 }, output: { kind: 'fixed', tokens: 24 }, prefixGroups: 0, prefixTokens: 1 } as const;

/** Measures a server of another process whose delays are known, and compares. @returns lines for people, and whether all agree */
export async function loadAgrees(
  rate: number,
  seconds: number,
  seed: number,
): Promise<{ readonly lines: readonly string[]; readonly agrees: boolean }> {
  const stub = fork(fileURLToPath(new URL('known-delays-process.ts', import.meta.url)), [String(seed)]);
  try {
    const [base] = (await once(stub, 'message')) as [string];
    const spacing = { kind: 'gamma', shape: 0.5 } as const;
    const { records } = await runLoad({
      target: { base, endpoint: 'chat', model: 'known-delays', stream: true, headers: {}, extra: {}, timeoutMs: 60_000 },
      pace: { kind: 'open', at: arrivals([{ from: rate, to: rate, seconds }], spacing, seeded(seed)), mostAtOnce: 1e5 },
      prompts: syntheticPrompts(PROMPTS, seed),
      ...{ seed, cancelShare: 0 },
    });
    stub.send('tell');
    const [told] = (await once(stub, 'message')) as [ToldDelays];
    const rows = [
      compared('TTFT', records.map(ttftOf), told.ttft),
      compared('TPOT', records.map(tpotOf), told.tpot),
      compared('E2E', records.map(e2eOf), told.e2e),
    ];
    const lost = records.filter(({ outcome }) => outcome !== 'ok').length;
    return {
      lines: [`${records.length} calls at ${rate} a second in bursts, ${lost} lost`, ...rows.flatMap(({ lines }) => lines)],
      agrees: lost === 0 && rows.every(({ agrees }) => agrees),
    };
  } finally {
    stub.kill();
  }
}

function compared(
  name: string,
  measured: readonly number[],
  told: readonly number[],
): { readonly lines: readonly string[]; readonly agrees: boolean } {
  const [mine, theirs] = [distributionOf(measured), distributionOf(told)];
  const each = (['p50', 'p99'] satisfies (keyof Distribution)[]).map((at) => ({ at, apart: mine[at] / theirs[at] - 1 }));
  return {
    lines: each.map(
      ({ at, apart }) =>
        `${name} ${at}: measured ${mine[at].toFixed(2)} ms, made ${theirs[at].toFixed(2)} ms: ${(apart * 100).toFixed(2)} %`,
    ),
    agrees: each.every(({ apart }) => Math.abs(apart) <= AGREED),
  };
}

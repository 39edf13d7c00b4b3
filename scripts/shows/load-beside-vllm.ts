import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runLoad } from '../load/calls/run-load.ts';
import { distributionOf } from '../load/figures/distribution.ts';
import { tpotOf, ttftOf } from '../load/figures/times.ts';
import type { ToldDelays } from '../load/stub/known-delays.ts';
import { arrivals } from '../load/workload/arrivals.ts';
import { seeded } from '../load/workload/seeded.ts';
import { syntheticPrompts } from '../load/workload/prompts.ts';
import { runCommand } from '../vllm/command.ts';
import { installedEnvironments, type VllmEnvironment } from '../vllm/environment.ts';

/** What the two measure may differ by so much, each beside what the server really made. */
const AGREED = 0.02;
const [RATE, CALLS, INPUT, OUTPUT] = [10, 400, 20, 24];
/** Long waits: a generator's own milliseconds are not to be what is compared. */
const DELAYS = { ttftMs: 500, tokenMs: 40, sigma: 0.2 };
const LIMIT_MS = 300_000;
const FIGURES = ['median_ttft_ms', 'p99_ttft_ms', 'median_tpot_ms', 'p99_tpot_ms'] as const;

type Figures = Readonly<Record<(typeof FIGURES)[number], number>>;

interface Shown {
  readonly lines: readonly string[];
  readonly agrees: boolean;
}

/** Measures one server with `vllm bench serve` and with ours, in turn. @returns null where no vLLM is installed */
export async function loadBesideVllm(env: Readonly<Record<string, string | undefined>>): Promise<Shown | null> {
  const [environment] = installedEnvironments(env);
  if (environment === undefined) return null;
  const { ttftMs, tokenMs, sigma } = DELAYS;
  const stub = fork(fileURLToPath(new URL('known-delays-process.ts', import.meta.url)), ['1', ...[ttftMs, tokenMs, sigma].map(String)]);
  const told = async (): Promise<Figures> => {
    stub.send('tell');
    const [{ ttft, tpot }] = (await once(stub, 'message')) as [ToldDelays];
    return figuresOf(ttft, tpot);
  };
  try {
    const [base] = (await once(stub, 'message')) as [string];
    const [theirs, madeForThem] = [await byVllm(environment, base), await told()];
    const [ours, madeForUs] = [await byUs(base), await told()];
    const rows = FIGURES.map((name) => {
      const [their, our] = [theirs[name] / madeForThem[name] - 1, ours[name] / madeForUs[name] - 1];
      const line = `${name}: vllm bench serve ${theirs[name].toFixed(2)} (${percent(their)} from what was made), headgate load ${ours[name].toFixed(2)} (${percent(our)})`;
      return { line, agrees: Math.abs(their - our) <= AGREED };
    });
    return { lines: rows.map(({ line }) => line), agrees: rows.every(({ agrees }) => agrees) };
  } finally {
    stub.kill();
  }
}

/** @throws Error with its last words */
async function byVllm({ command, model }: VllmEnvironment, base: string): Promise<Figures> {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-vllm-bench-'));
  try {
    const where = ['--backend', 'openai-chat', '--base-url', base, '--endpoint', '/v1/chat/completions', '--model', 'known-delays'];
    const what = ['--tokenizer', model, '--dataset-name', 'random', '--random-input-len', `${INPUT}`, '--random-output-len', `${OUTPUT}`];
    const pace = ['--num-prompts', `${CALLS}`, '--request-rate', `${RATE}`, '--seed', '1', '--ignore-eos'];
    const out = ['--percentile-metrics', 'ttft,tpot', '--metric-percentiles', '99', '--save-result', '--result-dir', folder];
    const args = ['bench', 'serve', ...where, ...what, ...pace, ...out, '--result-filename', 'result.json'];
    const { code, output } = await runCommand(command, args, { limitMs: LIMIT_MS });
    if (code !== 0) throw new Error(`vllm bench serve ended with ${code}: ${output.slice(-500)}`);
    const result = JSON.parse(readFileSync(join(folder, 'result.json'), 'utf8')) as Figures & { readonly completed: number };
    if (result.completed !== CALLS) throw new Error(`vllm bench serve had ${result.completed} of ${CALLS} calls answered`);
    return result;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function byUs(base: string): Promise<Figures> {
  const at = arrivals([{ from: RATE, to: RATE, seconds: CALLS / RATE }], { kind: 'gamma', shape: 1 }, seeded(1));
  const length = { input: { kind: 'fixed', tokens: INPUT }, output: { kind: 'fixed', tokens: OUTPUT } } as const;
  const { records } = await runLoad({
    target: { base, endpoint: 'chat', model: 'known-delays', stream: true, headers: {}, extra: {}, timeoutMs: 60_000 },
    pace: { kind: 'open', at, mostAtOnce: 1e5 },
    prompts: syntheticPrompts({ ...length, prefixGroups: 0, prefixTokens: 1 }, 1),
    ...{ seed: 1, cancelShare: 0 },
  });
  const answered = records.filter(({ outcome }) => outcome === 'ok').length;
  if (answered !== records.length) throw new Error(`headgate load had ${answered} of ${records.length} calls answered`);
  return figuresOf(records.map(ttftOf), records.map(tpotOf));
}

function figuresOf(ttft: readonly number[], tpot: readonly number[]): Figures {
  const [first, token] = [distributionOf(ttft), distributionOf(tpot)];
  return { median_ttft_ms: first.p50, p99_ttft_ms: first.p99, median_tpot_ms: token.p50, p99_tpot_ms: token.p99 };
}

function percent(share: number): string {
  return `${share < 0 ? '−' : '+'}${Math.abs(share * 100).toFixed(2)} %`;
}

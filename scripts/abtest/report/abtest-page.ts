import type { CallRecord } from '../../load/calls/call-record.ts';
import { percentile } from '../../load/figures/distribution.ts';
import { e2eOf, ttftOf } from '../../load/figures/times.ts';
import { forest } from '../../report/forest.ts';
import { shown, shownMs, shownSpan } from '../../report/numbers.ts';
import { facts, page, plots, section, table, tiles } from '../../report/page.ts';
import { plot, type Point, type Series } from '../../report/plot.ts';
import type { Comparison } from '../figures/comparison.ts';
import { metricName } from '../figures/metric.ts';
import type { AbtestResult } from '../figures/result.ts';
import { counted } from '../figures/slot.ts';
import { pairsPlot } from './pairs-plot.ts';
import { tableRows } from './summary-text.ts';
import { bounds, percent, verdictLines, warningLines } from './words.ts';

const TONES = 6;

/** The result as a page. */
export function abtestPage(result: AbtestResult): string {
  const { arms, asked, comparisons, watched, decision, trust } = result;
  const at = new Date(result.startedAt).toISOString().slice(0, 16).replace('T', ' ');
  const time: TimeOf = asked.stream ? { name: 'first token', of: ttftOf } : { name: 'whole answer', of: e2eOf };
  // Where nothing failed there is no picture of it.
  const all = [...comparisons, ...watched.filter(({ pairs }) => pairs.flat().some((share) => share > 0))];
  const metrics = [...Map.groupBy(all, ({ metric }) => metric).values()];
  const [head, ...rows] = tableRows(result, all);
  return page({
    title: asked.label ?? arms.map(({ name }) => name).join(' against '),
    subtitle: `${asked.models.join(', ')} · ${asked.pace} · ${asked.prompts} · ${at} UTC · ${asked.urls.join(', ')}`,
    verdict: {
      text: [...warningLines(result), ...verdictLines(result)].join('\n'),
      tone: trust.problems.length > 0 || result.stopped !== null ? 'bad' : decision.why.kind === 'better' ? 'good' : 'plain',
    },
    parts: [
      tiles([
        { name: 'Keep', value: arms[decision.keep]!.name, note: `of ${arms.map(({ name }) => name).join(', ')}` },
        { name: 'Blocks', value: shown(result.wholeBlocks), note: `each arm once in each, in ${shownSpan(result.durationMs)}` },
        { name: 'Slots', value: `${asked.slotMs / 1000} s`, note: `after ${asked.settleMs / 1000} s to settle` },
        { name: 'Confidence', value: `${asked.confidence * 100} %`, note: 'of all judged intervals together' },
      ]),
      section('Against the baseline, ' + arms[0]!.name, plots(...metrics.map((one) => forestOf(one, result)))),
      section('Block by block', plots(...metrics.map((one) => pairsPlot(one, arms)))),
      section('Call by call', plots(callsPlot(result, time), percentilePlot(result, time))),
      section('In figures', table(head!, rows), armsTable(result)),
      facts('How it was measured', factsOf(result)),
    ],
  });
}

interface TimeOf {
  readonly name: string;
  readonly of: (record: CallRecord) => number;
}

function forestOf(all: readonly Comparison[], { arms }: AbtestResult): string {
  const [{ metric }] = all as [Comparison];
  return forest({
    title: metricName(metric),
    x: metric.kind === 'errors' ? '% of all calls more than the baseline' : '% above the baseline',
    rows: all.map(({ arm, effect, interval, shown: is }) => ({
      name: arms[arm]!.name,
      at: effect * 100,
      low: interval.low * 100,
      high: interval.high === Infinity ? Infinity : interval.high * 100,
      tone: is === 'better' ? 'good' : is === 'worse' ? 'bad' : 'plain',
      text: `${percent(effect)} ${bounds(interval, percent)}`,
    })),
  });
}

function callsOf({ slots }: AbtestResult, arm: number): { readonly call: CallRecord; readonly startMs: number }[] {
  const own = slots.filter((slot) => slot.arm === arm);
  return own.flatMap((slot) => counted(slot).map((call) => ({ call, startMs: slot.startMs }))).filter(({ call }) => call.outcome === 'ok');
}

function callsPlot(result: AbtestResult, { name, of }: TimeOf): string {
  return plot({
    title: `Each call by when it was due: ${name}`,
    x: 'seconds',
    y: 'ms',
    logY: true,
    series: result.arms.map(({ name: arm }, i): Series => {
      const points = callsOf(result, i).map(({ call, startMs }): Point => [(startMs + call.scheduledMs) / 1000, of(call)]);
      return { name: arm, tone: (i % TONES) + 1, as: 'dots', points };
    }),
  });
}

/** Nines to the right: what one call of a hundred waits. */
function percentilePlot(result: AbtestResult, { name, of }: TimeOf): string {
  const nines = (share: number): number => -Math.log10(1 - share);
  const sorted = result.arms.map((_, arm) =>
    callsOf(result, arm)
      .map(({ call }) => of(call))
      .filter((value) => !Number.isNaN(value))
      .toSorted((a, b) => a - b),
  );
  const most = Math.max(2, ...sorted.map(({ length }) => length));
  const ticks = [0, 0.5, 0.9, 0.99, 0.999].filter((share) => share === 0 || most >= 1 / (1 - share));
  return plot({
    title: `How many wait how long: ${name}`,
    x: 'percentile',
    y: 'ms',
    series: sorted.map((values, arm): Series => {
      const end = nines(Math.max(0.5, 1 - 1 / Math.max(2, values.length)));
      const shares = Array.from({ length: 101 }, (_, i) => 1 - 10 ** -((i / 100) * end));
      const points = values.length === 0 ? [] : shares.map((share): Point => [nines(share), percentile(values, share)]);
      return { name: result.arms[arm]!.name, tone: (arm % TONES) + 1, as: 'line', points };
    }),
    xTicks: ticks.map((share) => ({ at: nines(share), text: share === 0 ? 'min' : `p${Number((share * 100).toPrecision(4))}` })),
  });
}

function armsTable({ arms, summaries }: AbtestResult): string {
  const rows = arms.map(({ name }, arm) => {
    const { calls, errors, ttft, tpot, e2e } = summaries[arm]!;
    return [name, shown(calls), shown(errors), ...[ttft.p50, ttft.p95, tpot.p50, e2e.p50, e2e.p95].map(shownMs)];
  });
  return table(
    ['', 'calls', 'errors', 'TTFT p50', 'TTFT p95', 'TPOT p50', 'E2E p50', 'E2E p95'],
    rows,
    'All calls that counted, of each arm',
  );
}

function factsOf({
  arms,
  asked,
  slots,
  guardrail,
  machine,
  versions,
  wholeBlocks,
  wantedBlocks,
  fewestBlocks,
}: AbtestResult): Record<string, unknown> {
  const order = Map.groupBy(slots, ({ block }) => block);
  return {
    arms: arms.map(({ name, settings, model, url }) => `${name}: ${JSON.stringify(settings ?? model ?? url)}`).join(' · '),
    ...asked,
    blocks: `${wholeBlocks} whole of ${wantedBlocks}; fewest ${fewestBlocks}`,
    order: [...order.values()].map((block) => block.map(({ arm }) => arms[arm]!.name).join(', ')).join(' | '),
    intervals: 'means of all subsets of the blocks, without the outermost (Hartigan 1969); Bonferroni over arms and judged metrics',
    guardrail: guardrail?.settings,
    ...machine,
    ...versions,
  };
}

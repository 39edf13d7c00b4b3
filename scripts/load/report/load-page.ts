import { shown, shownMs, shownSpan } from '../../report/numbers.ts';
import { facts, page, plots, section, table, tiles } from '../../report/page.ts';
import { plot, type Point, type Series } from '../../report/plot.ts';
import { percentile } from '../figures/distribution.ts';
import { e2eOf, itlsOf, ttftOf } from '../figures/times.ts';
import { type CallRecord, isError } from '../calls/call-record.ts';
import type { LoadResult } from '../figures/load-result.ts';
import { distributions, figures, sloText } from './summary-text.ts';

const BARS = 40;

/** The result as a page. */
export function loadPage(result: LoadResult): string {
  const { summary, validity, asked, records, slo } = result;
  const at = new Date(result.startedAt).toISOString().slice(0, 16).replace('T', ' ');
  const good = summary.goodput === null ? [] : [{ name: 'Goodput', value: `${shown(summary.goodput)}/s`, note: sloText(slo) }];
  return page({
    title: asked.label ?? `Load on ${asked.model}`,
    subtitle: `${asked.pace} · ${asked.prompts} · ${at} UTC · ${asked.url}`,
    verdict: { text: verdict(result), tone: validity.problems.length > 0 || summary.errors > 0 ? 'bad' : 'good' },
    parts: [
      tiles([
        { name: 'Calls', value: shown(summary.calls), note: `in ${shownSpan(summary.durationMs)}` },
        { name: 'Answered', value: `${shown(summary.requestRate)}/s`, note: `${shown(summary.ok)} whole` },
        ...good,
        { name: 'Output', value: `${shown(summary.outputTokenRate)}/s`, note: 'tokens' },
        { name: 'First token, p95', value: shownMs(summary.ttft.p95), note: `p50 ${shownMs(summary.ttft.p50)}` },
        { name: 'Per token, p95', value: shownMs(summary.tpot.p95), note: `p50 ${shownMs(summary.tpot.p50)}` },
        { name: 'Whole answer, p95', value: shownMs(summary.e2e.p95), note: `p50 ${shownMs(summary.e2e.p50)}` },
        { name: 'Errors', value: shown(summary.errors), note: summary.errorKinds[0]?.[0] ?? 'none' },
      ]),
      plots(latencyPlot(records, slo), ratePlot(records), percentilePlot(records), gapsPlot(records)),
      section(
        'Times in milliseconds, from the moment at which a call was due',
        table(
          ['', 'mean', 'p50', 'p90', 'p95', 'p99', 'max'],
          distributions(summary).map(([name, of]) => [name, ...figures(of)]),
        ),
      ),
      ...(summary.errorKinds.length === 0
        ? []
        : [
            section(
              'Errors',
              table(
                ['what', 'calls'],
                summary.errorKinds.map(([kind, count]) => [kind, shown(count)]),
              ),
            ),
          ]),
      facts('How it was measured', {
        ...asked,
        ...validity,
        schedule_delay_p99_ms: summary.scheduleDelay.p99,
        held_back_p99_ms: summary.held.p99,
        ...result.machine,
        ...result.versions,
      }),
    ],
  });
}

function verdict({ summary, validity, wasInterrupted }: LoadResult): string {
  const { ok, calls, errors } = summary;
  const said =
    errors === 0
      ? `All ${shown(ok)} calls were answered.`
      : `${shown(ok)} of ${shown(calls)} calls were answered; ${shown(errors)} were not.`;
  const problems = validity.problems.map((problem) => `This run is not valid: ${problem}.`);
  return [said, ...problems, ...(wasInterrupted ? ['It was interrupted.'] : [])].join('\n');
}

function latencyPlot(records: readonly CallRecord[], slo: LoadResult['slo']): string {
  const whole = records.filter(({ outcome }) => outcome === 'ok');
  const lost = records.filter(isError);
  const dots = (name: string, tone: Series['tone'], of: (record: CallRecord) => number, from: readonly CallRecord[]): Series[] =>
    from.length === 0 ? [] : [{ name, tone, as: 'dots', points: from.map((record): Point => [record.scheduledMs / 1000, of(record)]) }];
  return plot({
    title: 'Each call by when it was due',
    x: 'seconds',
    y: 'ms',
    logY: true,
    series: [...dots('whole answer', 1, e2eOf, whole), ...dots('first token', 2, ttftOf, whole), ...dots('error', 'bad', e2eOf, lost)],
    marks: [
      ...(slo.ttft === undefined ? [] : [{ y: slo.ttft, text: `first token ${shownMs(slo.ttft)}` }]),
      ...(slo.e2e === undefined ? [] : [{ y: slo.e2e, text: `whole answer ${shownMs(slo.e2e)}` }]),
    ],
  });
}

function ratePlot(records: readonly CallRecord[]): string {
  const most = records.reduce((end, { endMs }) => Math.max(end, endMs), 0);
  const width = Math.max(1000, Math.ceil(most / 120 / 1000) * 1000);
  const bins = Math.max(1, Math.ceil(most / width));
  const count = (of: (record: CallRecord) => number | null): Point[] => {
    const counts = new Array<number>(bins).fill(0);
    for (const record of records) {
      const at = of(record);
      if (at !== null) counts[Math.min(bins - 1, Math.floor(at / width))]! += 1;
    }
    return counts.map((calls, i): Point => [((i + 0.5) * width) / 1000, (calls / width) * 1000]);
  };
  return plot({
    title: 'Calls a second',
    x: 'seconds',
    y: 'calls a second',
    series: [
      { name: 'sent', tone: 1, as: 'area', points: count(({ sentMs }) => sentMs) },
      { name: 'answered', tone: 2, as: 'line', points: count(({ outcome, endMs }) => (outcome === 'ok' ? endMs : null)) },
      { name: 'errors', tone: 'bad', as: 'line', points: count((record) => (isError(record) ? record.endMs : null)) },
    ],
  });
}

/** Nines to the right: what one call of a hundred, of a thousand waits. */
function percentilePlot(records: readonly CallRecord[]): string {
  const whole = records.filter(({ outcome }) => outcome === 'ok');
  const nines = (share: number): number => -Math.log10(1 - share);
  const curve = (name: string, tone: number, of: (record: CallRecord) => number): Series => {
    const sorted = whole
      .map(of)
      .filter((value) => !Number.isNaN(value))
      .toSorted((a, b) => a - b);
    const most = nines(Math.max(0.5, 1 - 1 / Math.max(2, sorted.length)));
    const shares = Array.from({ length: 101 }, (_, i) => 1 - 10 ** -((i / 100) * most));
    return {
      name,
      tone,
      as: 'line',
      points: sorted.length === 0 ? [] : shares.map((share): Point => [nines(share), percentile(sorted, share)]),
    };
  };
  const ticks = [0, 0.5, 0.9, 0.99, 0.999].filter((share) => share === 0 || whole.length >= 1 / (1 - share));
  return plot({
    title: 'How many wait how long',
    x: 'percentile',
    y: 'ms',
    series: [curve('whole answer', 1, e2eOf), curve('first token', 2, ttftOf)].filter(({ points }) => points.length > 0),
    xTicks: ticks.map((share) => ({ at: nines(share), text: share === 0 ? 'min' : `p${Number((share * 100).toPrecision(4))}` })),
  });
}

function gapsPlot(records: readonly CallRecord[]): string {
  const gaps = records
    .filter(({ outcome }) => outcome === 'ok')
    .flatMap(itlsOf)
    .toSorted((a, b) => a - b);
  // The one gap that lasted seconds would leave all others in one bar.
  const most = Math.max(1, percentile(gaps, 0.995) * 1.05);
  const counts = new Array<number>(BARS).fill(0);
  for (const gap of gaps) counts[Math.min(BARS - 1, Math.floor((gap / most) * BARS))]! += 1;
  return plot({
    title: 'Gaps between the tokens of a stream',
    x: 'ms (the last bar: all that is longer)',
    y: 'gaps',
    series: [
      {
        name: 'gaps',
        tone: 4,
        as: 'bars',
        points: gaps.length === 0 ? [] : counts.map((count, i): Point => [((i + 0.5) / BARS) * most, count]),
      },
    ],
  });
}

import { heatMap, type HeatCell } from '../../report/heat-map.ts';
import { shown, shownMs, shownSpan } from '../../report/numbers.ts';
import { facts, page, plots, section, table, tiles } from '../../report/page.ts';
import { plot } from '../../report/plot.ts';
import { type Axis, type Point, pointOf, pointsOf } from '../grid/axes.ts';
import { isThrashing } from '../grid/outcome.ts';
import type { Found } from './found.ts';
import { againText, figureCells, note, verdict } from './tune-text.ts';

/** Maps beyond this are no picture any more; the table has all points. */
const MOST_MAPS = 12;

/** The result as a page: a map for every choice of the flags beyond the first two. */
export function tunePage(found: Found): string {
  const { subject, best, results, skipped, objectives } = found;
  const at = new Date(found.startedAt).toISOString().slice(0, 16).replace('T', ' ');
  const figures = best?.figures;
  return page({
    title: `Tuning of ${subject.model}`,
    subtitle: `${subject.cards.join(', ') || 'no card'} · profile ${subject.profile} · ${subject.load} · ${at} UTC`,
    verdict: { text: verdict(found).join('\n'), tone: best === null || found.overlay?.problem ? 'bad' : 'good' },
    parts: [
      tiles([
        {
          name: 'Output, best point',
          value: figures ? `${shown(figures.outputTokenRate)}/s` : '–',
          note: `tokens, ${shown((figures?.errorShare ?? NaN) * 100)} % errors`,
        },
        {
          name: 'Whole answer, p95',
          value: shownMs(figures?.p95.e2e ?? NaN),
          note: objectives.slo.e2e === undefined ? '' : `at most ${shownMs(objectives.slo.e2e)}`,
        },
        { name: 'First token, p95', value: shownMs(figures?.p95.ttft ?? NaN) },
        {
          name: 'Launched',
          value: `${results.length} of ${found.points}`,
          note: `points${againText(results)}; ${skipped.length} ruled out, in ${shownSpan(found.tookMs)}`,
        },
      ]),
      section('Output tokens a second', plots(...maps(found))),
      ...(results.some((result) => result.figures !== null)
        ? [section('What more tokens cost their callers', plots(tradePlot(found)))]
        : []),
      section(
        'Points, in the order in which they were launched',
        table(
          ['point', 'tokens/s', 'calls/s', 'p95 e2e', 'p95 TTFT', 'errors', 'preempted', ''],
          results.map((result) => [result.point.key, ...figureCells(result), short(note(result, best))]),
        ),
      ),
      ...(skipped.length === 0
        ? []
        : [
            section(
              'Not launched',
              table(
                ['point', 'why'],
                skipped.map(({ point, why }) => [point.key, why]),
              ),
            ),
          ]),
      facts('How it was measured', { ...subject, axes: undefined, version: found.version, ...found.machine }),
    ],
  });
}

function short(text: string): string {
  return text.length <= 90 ? text : `${text.slice(0, 89)}…`;
}

function maps(found: Found): readonly string[] {
  const [x, y, ...others] = found.axes;
  if (x === undefined) return [];
  return pointsOf(others)
    .slice(0, MOST_MAPS)
    .map((other) => oneMap(found, x, y ?? null, other));
}

function oneMap(found: Found, x: Axis, y: Axis | null, other: Point): string {
  const cell = (column: number, row: number): HeatCell => {
    const flags = { [x.flag]: x.values[column]!, ...(y === null ? {} : { [y.flag]: y.values[row]! }), ...other.flags };
    return cellOf(found, pointOf(flags).key);
  };
  const rows = y === null ? [''] : y.values.map(String);
  return heatMap({
    title: other.key === '' ? 'tokens a second; p95 of whole answers' : other.key,
    x: x.flag,
    y: y?.flag ?? '',
    columns: x.values.map(String),
    rows,
    cell,
  });
}

function cellOf({ results, skipped, best }: Found, key: string): HeatCell {
  const result = results.find(({ point }) => point.key === key);
  if (!result) {
    const skip = skipped.find(({ point }) => point.key === key);
    return { lines: [skip ? 'ruled out' : 'not needed'], value: null, mark: 'none', hint: skip?.why ?? 'the search did not come here' };
  }
  const { figures, outcome, reason } = result;
  const hint = `${key}${reason === null ? '' : `: ${reason}`}`;
  if (figures === null) return { lines: [outcome === 'oom' ? 'OOM' : 'failed', result.failureClass ?? ''], value: null, mark: 'bad', hint };
  const second = `${shownMs(figures.p95.e2e)}${isThrashing(result) ? ' · thrashes' : ''}`;
  const mark = key === best?.point.key ? ({ mark: 'best' } as const) : outcome === 'ok' ? {} : ({ mark: 'bad' } as const);
  return { lines: [shown(figures.outputTokenRate), second], value: figures.outputTokenRate, ...mark, hint };
}

function tradePlot({ results, objectives, best }: Found): string {
  const points = (of: (result: (typeof results)[number]) => boolean) =>
    results
      .filter((result) => result.figures !== null && of(result))
      .map(({ figures }) => [figures!.outputTokenRate, figures!.p95.e2e] as const);
  return plot({
    title: 'Each point',
    x: 'output tokens a second',
    y: 'p95 of whole answers, ms',
    series: [
      { name: 'within', tone: 1, as: 'dots', points: points((result) => result.outcome === 'ok' && result.point.key !== best?.point.key) },
      { name: 'best', tone: 2, as: 'dots', points: points(({ point }) => point.key === best?.point.key) },
      { name: 'over', tone: 'bad', as: 'dots', points: points(({ outcome }) => outcome === 'slo') },
    ],
    marks: objectives.slo.e2e === undefined ? [] : [{ y: objectives.slo.e2e, text: `objective ${shownMs(objectives.slo.e2e)}` }],
  });
}

import { shown, shownMs, shownSpan } from '../../report/numbers.ts';
import { objectivesText } from '../grid/objectives.ts';
import { isThrashing, launchesOf, type PointResult } from '../grid/outcome.ts';
import type { Found } from './found.ts';

/** The result for a terminal. */
export function tuneText(found: Found): string {
  const { subject, results, skipped, points, tookMs } = found;
  const width = Math.max(5, ...results.map(({ point }) => point.key.length));
  const head = ['', 'tokens/s', 'calls/s', 'p95 e2e', 'p95 TTFT', 'errors', 'preempted'];
  const row = (name: string, cells: readonly string[], note: string): string =>
    `${name.padEnd(width)}${cells.map((cell) => cell.padStart(11)).join('')}  ${note}`.trimEnd();
  const lines = [
    `${subject.model} on ${subject.cards.join(', ') || 'no card'} (profile ${subject.profile}); ${subject.load}; seed ${subject.seed}`,
    `within ${subject.objectives}; ${shown(results.length)} of ${shown(points)} points launched (${subject.search}${againText(results)}), ${shown(skipped.length)} ruled out, in ${shownSpan(tookMs)}`,
    '',
    row('', head.slice(1), ''),
    ...results.map((result) => row(result.point.key, figureCells(result), note(result, found.best))),
    ...skipped.map(({ point, why }) => row(point.key, [], `not launched: ${why}`)),
    '',
    ...verdict(found),
  ];
  return `${lines.join('\n')}\n`;
}

/** Points that were launched once more. */
export function againText(results: readonly PointResult[]): string {
  const again = launchesOf(results) - results.length;
  return again === 0 ? '' : `, ${shown(again)} of them once more`;
}

/** The last lines, and the first of the report. */
export function verdict({ best, usual, overlay, wasInterrupted, objectives, results }: Found): readonly string[] {
  const where = overlay === null ? '' : ' before the tuning had been tried';
  const cut = wasInterrupted ? [`It was interrupted${where}: the same command, without --fresh, goes on where it stood.`] : [];
  if (best === null) {
    const none =
      results.length === 0
        ? 'Nothing was measured.'
        : `No point kept within ${objectivesText(objectives)}: try a smaller grid, a lower --rate, or other objectives.`;
    return [none, ...cut];
  }
  const { figures } = best;
  const more =
    usual?.figures && figures && usual !== best && usual.outcome === 'ok'
      ? `, ${shown((figures.outputTokenRate / usual.figures.outputTokenRate - 1) * 100)} % more than ${usual.point.key} of the profile`
      : '';
  const thrash = isThrashing(best) ? ' Its cache is too small for its sequences: it throws work away.' : '';
  return [
    `Best: ${best.point.key} with ${shown(figures?.outputTokenRate)} output tokens/s${more}; p95 e2e ${shownMs(figures?.p95.e2e ?? NaN)}.${thrash}`,
    ...(overlay === null ? [] : [overlayLine(overlay)]),
    ...cut,
  ];
}

function overlayLine({ name, file, serves, problem }: NonNullable<Found['overlay']>): string {
  const use = `headgate serve --tuning ${name}`;
  if (problem !== null) return `It is written to ${file}, but "${use}" does not serve with it: ${problem}`;
  return `${serves === true ? 'It was started with the tuning and served with these flags: ' : ''}${use}   (${file})`;
}

export function figureCells({ figures }: PointResult): readonly string[] {
  if (figures === null) return ['–', '–', '–', '–', '–', '–'];
  const { outputTokenRate, requestRate, p95, errorShare, preemptions } = figures;
  return [
    shown(outputTokenRate),
    shown(requestRate),
    shownMs(p95.e2e),
    shownMs(p95.ttft),
    `${shown(errorShare * 100)} %`,
    shown(preemptions),
  ];
}

export function note(result: PointResult, best: PointResult | null): string {
  const { outcome, reason, figures } = result;
  const marks = [
    result.point.key === best?.point.key ? 'best' : '',
    outcome === 'ok' ? '' : `${outcome === 'slo' ? 'over the objectives' : outcome}: ${reason ?? ''}`,
    isThrashing(result) ? 'thrashes' : '',
    (figures?.problems.length ?? 0) > 0 ? `doubtful: ${figures?.problems.join('; ')}` : '',
  ];
  return marks.filter((mark) => mark !== '').join('; ');
}

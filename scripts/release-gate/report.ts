import { shown, shownMs, shownSpan } from '../report/numbers.ts';
import { facts, page, plots, section, table, tiles } from '../report/page.ts';
import { plot, type Point } from '../report/plot.ts';
import { ttftOf } from '../load/figures/times.ts';
import type { GateResult } from './gate.ts';
import type { Outcome } from './judging/verdict.ts';

const MARKS: Readonly<Record<Outcome, string>> = { passed: 'passed', failed: 'FAILED', open: 'not told' };

/**
 * Whether it may be released: something was told, nothing failed, and it was not interrupted. What was skipped or could not be told does not
 * stand in the way: the verdict names it.
 */
export function mayRelease({ profiles, wasInterrupted }: Pick<GateResult, 'profiles' | 'wasInterrupted'>): boolean {
  const verdicts = verdictsOf(profiles);
  return !wasInterrupted && verdicts.some(({ outcome }) => outcome === 'passed') && verdicts.every(({ outcome }) => outcome !== 'failed');
}

/** What a profile came to: a line for it and one for each criterion. */
export function profileLines({ profile, result }: Pick<GateResult['profiles'][number], 'profile' | 'result'>): string[] {
  const name = profile.toUpperCase();
  if (result.kind === 'skipped') return [`${name} skipped: ${result.why}.`];
  return [name, ...result.verdicts.map(({ criterion, outcome, said }) => `  ${MARKS[outcome].padEnd(8)}  ${criterion}: ${said}`)];
}

/** The whole in one sentence, with what was not told named. */
export function gateVerdict(result: Pick<GateResult, 'profiles' | 'from' | 'wasInterrupted' | 'leftOut' | 'isQuick'>): string {
  const { profiles, from, wasInterrupted, leftOut, isQuick } = result;
  const verdicts = verdictsOf(profiles);
  const failed = verdicts.filter(({ outcome }) => outcome === 'failed');
  const skipped = profiles.filter(({ result: { kind } }) => kind === 'skipped').map(({ profile }) => profile.toUpperCase());
  const open = verdicts.filter(({ outcome }) => outcome === 'open');
  const notTold = [
    ...(isQuick ? ['Of a quick run, which is to try it and not to rely on.'] : []),
    ...(leftOut.length === 0 ? [] : [`Not asked for, and so not shown: ${leftOut.map((name) => name.toUpperCase()).join(', ')}.`]),
    ...(skipped.length === 0 ? [] : [`Skipped, and so not shown: ${skipped.join(', ')}.`]),
    ...(open.length === 0
      ? []
      : [`Not told: ${open.map(({ profile, criterion }) => `${criterion} (${profile.toUpperCase()})`).join(', ')}.`]),
    ...(wasInterrupted ? ['It was interrupted.'] : []),
  ];
  const names = failed.map(({ profile, criterion }) => `${criterion} (${profile.toUpperCase()})`).join(', ');
  const said =
    failed.length > 0
      ? `Not to be released by ${from}: ${names}.`
      : mayRelease(result)
        ? `It may be released by ${from}: ${verdicts.filter(({ outcome }) => outcome === 'passed').length} criteria are kept.`
        : `Nothing can be said by ${from}.`;
  return [said, ...notTold].join(' ');
}

function verdictsOf(profiles: GateResult['profiles']) {
  return profiles.flatMap(({ profile, result }) => (result.kind === 'ran' ? result.verdicts.map((each) => ({ profile, ...each })) : []));
}

/** The result as a page. */
export function gatePage(result: GateResult): string {
  const at = new Date(result.startedAt).toISOString().slice(0, 16).replace('T', ' ');
  const verdicts = verdictsOf(result.profiles);
  const count = (outcome: Outcome) => String(verdicts.filter((each) => each.outcome === outcome).length);
  return page({
    title: `Release gate: ${result.model}`,
    subtitle: `${result.from} · ${at} UTC · ${result.url}`,
    verdict: { text: gateVerdict(result), tone: mayRelease(result) ? 'good' : 'bad' },
    parts: [
      tiles([
        {
          name: 'Capacity',
          value: `${shown(result.capacity.rate)}/s`,
          note: 'given' in result.capacity ? 'as given' : `${result.capacity.clients} clients`,
        },
        { name: 'Kept', value: count('passed'), note: 'criteria' },
        { name: 'Failed', value: count('failed'), note: 'criteria' },
        { name: 'Not told', value: count('open'), note: 'criteria' },
      ]),
      ...result.profiles.map(profileSection),
      facts('Criteria', result.criteria),
      facts('How it was measured', { ...result.options, ...result.machine, ...result.versions }),
    ],
  });
}

function profileSection({ profile, result, seconds }: GateResult['profiles'][number]): string {
  const name = profile.toUpperCase();
  if (result.kind === 'skipped') return section(`${name}: skipped`, table(['why'], [[result.why]]));
  const { verdicts, parts, records } = result;
  const rows = verdicts.map(({ criterion, outcome, said }) => [criterion, MARKS[outcome], said]);
  const sums = parts.map(({ name: part, summary }) => [
    part,
    ...[summary.calls, summary.ok, summary.errors].map(shown),
    summary.goodput === null ? '–' : shown(summary.goodput),
    ...[summary.ttft.p95, summary.tpot.p95, summary.e2e.p95].map(shownMs),
  ]);
  const dots = (of: 'ok' | 'bad'): Point[] =>
    records
      .filter(({ outcome }) => (outcome === 'ok') === (of === 'ok') && outcome !== 'cancelled' && outcome !== 'unfinished')
      .map((record) => [record.scheduledMs / 1000, of === 'ok' ? ttftOf(record) : record.endMs - record.scheduledMs]);
  const series = [
    { name: 'first token', tone: 2, as: 'dots', points: dots('ok') } as const,
    { name: 'no answer', tone: 'bad', as: 'dots', points: dots('bad') } as const,
  ].filter(({ points }) => points.length > 0);
  return section(
    `${name}: ${shownSpan(seconds * 1000)}`,
    table(['criterion', '', ''], rows),
    table(['load', 'calls', 'whole', 'errors', 'good/s', 'p95 TTFT', 'p95 a token', 'p95 whole'], sums),
    // Steps begin anew at 0 each: one plot of all would lay them over each other.
    profile === 'step' || series.length === 0
      ? ''
      : plots(plot({ title: 'Each call by when it was due', x: 'seconds', y: 'ms', logY: true, series })),
  );
}

/** result.json: all but the single calls. */
export function gateJson(result: GateResult): string {
  const profiles = result.profiles.map(({ profile, result: of, seconds }) => {
    if (of.kind === 'skipped') return { profile, seconds, skipped: of.why };
    const { verdicts, figures, parts } = of;
    return { profile, seconds, verdicts, figures, parts };
  });
  const { criteria, capacity, from, url, model, options, machine, versions, wasInterrupted } = result;
  return `${JSON.stringify(
    {
      kind: 'release-gate',
      started_at: new Date(result.startedAt).toISOString(),
      may_release: mayRelease(result),
      verdict: gateVerdict(result),
      interrupted: wasInterrupted,
      ...{ url, model, criteria_from: from, criteria, capacity, profiles, options, machine, versions },
    },
    null,
    2,
  )}\n`;
}

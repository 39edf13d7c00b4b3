import { shown, shownMs, shownSpan } from '../../report/numbers.ts';
import type { Comparison } from '../figures/comparison.ts';
import { metricName } from '../figures/metric.ts';
import type { AbtestResult } from '../figures/result.ts';

/** `+3.1 %`; what rounds to nothing has no sign. */
export function percent(share: number): string {
  return share === Infinity ? '∞' : share === -Infinity ? '−∞' : `${signed(share * 100, 1)} %`;
}

function signed(value: number, digits: number): string {
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? text : `${value < 0 ? '−' : '+'}${Number(text).toLocaleString('en-US', { minimumFractionDigits: digits })}`;
}

/** The effect and its interval: times in ms, the rest in percent (of errors: of all calls). */
export function effectText({ metric, base, effect, interval }: Comparison): string {
  if (Number.isNaN(effect)) return `${metricName(metric)} not measured`;
  if (metric.kind !== 'time') return `${percent(effect)} ${metricName(metric)} ${bounds(interval, (value) => signed(value * 100, 1))}`;
  const ms = (share: number): string => (Number.isFinite(share) ? signed(base * share, Math.abs(base * share) < 10 ? 1 : 0) : shown(share));
  return `${metricName(metric)} ${ms(effect)} ms ${bounds(interval, ms)}`;
}

/** Both ends. */
export function bounds({ low, high }: Comparison['interval'], text: (value: number) => string): string {
  const plain = (value: number): string => text(value).replace('+', '');
  if (low === -Infinity && high === Infinity) return '[unknown]';
  return `[${plain(low)}, ${plain(high)}]`;
}

/** What came of each arm, a line each, and at the end what to do. */
export function verdictLines(result: AbtestResult): string[] {
  const { arms, comparisons, watched } = result;
  const lines = arms.slice(1).map(({ name }, i) =>
    armText(
      name,
      [...comparisons, ...watched].filter(({ arm }) => arm === i + 1),
    ),
  );
  return [...lines, keepText(result), ...neededLines(result), ...guardrailLines(result)];
}

function armText(name: string, all: readonly Comparison[]): string {
  const different = all.filter(({ shown: is }) => is === 'better' || is === 'worse');
  // Errors that nobody judges are worth a word where there are more of them.
  const others = all.filter(
    ({ shown: is, metric, effect }) =>
      (is === 'none' || is === 'unknown') && (metric.kind !== 'errors' || (effect !== 0 && !Number.isNaN(effect))),
  );
  if (different.length > 0) {
    const besides = others.length === 0 ? '' : `; no difference shown in ${others.map(({ metric }) => metricName(metric)).join(', ')}`;
    return `${name}: ${different.map(effectText).join(', ')}${besides}.`;
  }
  if (others.every(({ shown: is }) => is === 'unknown')) return `${name}: ${others.map(guessText).join(', ')}, without any certainty.`;
  return `${name}: no difference shown: ${others.map(effectText).join(', ')}.`;
}

function guessText(comparison: Comparison): string {
  return effectText(comparison).replace(' [unknown]', '');
}

function keepText({ arms, decision, fewestBlocks, wholeBlocks, trust }: AbtestResult): string {
  const { keep, why, alsoBetter } = decision;
  const name = (arm: number): string => arms[arm]!.name;
  if (trust.problems.length > 0) return 'Nothing may be concluded from it.';
  const names = (list: readonly Comparison[]): string => [...new Set(list.map(({ metric }) => metricName(metric)))].join(', ');
  switch (why.kind) {
    case 'better': {
      const also =
        alsoBetter.length === 0
          ? ''
          : ` ${alsoBetter.map(name).join(', ')} is better than ${name(0)}, too: between them a test of their own decides.`;
      return `Keep ${name(keep)}: better in ${names(why.gains)}, and worse in nothing that was looked at.${also}`;
    }
    case 'none':
      return `Keep ${name(0)}: nothing was shown to be better.`;
    case 'worse': {
      const losers = [...new Set(why.losses.map(({ arm }) => name(arm)))];
      return `Keep ${name(0)}: ${losers.join(' and ')} ${losers.length === 1 ? 'is' : 'are'} worse in ${names(why.losses)}, and nothing is better.`;
    }
    case 'mixed':
      return `Keep ${name(0)}, unless ${names(why.gains)} matters more to you than ${names(why.losses)}: ${name(why.arm)} is better in the one and worse in the other.`;
    case 'unknown':
      return `${wholeBlocks === 1 ? 'One block is' : `${wholeBlocks} blocks are`} too few to show anything: ${fewestBlocks} are the fewest for so many comparisons (--slots ${fewestBlocks} or more; fewer metrics by --judge need fewer).`;
  }
}

/** How long it would take to see what was not seen, metric by metric; of its arms the one that takes longest. */
function neededLines({ comparisons, asked, arms, wholeBlocks }: AbtestResult): string[] {
  const open = comparisons.filter(({ shown: is }) => is === 'none' || is === 'unknown');
  const worst = [...Map.groupBy(open, ({ metric }) => metric).values()].map(
    (all) => all.toSorted((a, b) => b.blocksNeeded - a.blocksNeeded)[0]!,
  );
  const blockMs = arms.length * (asked.slotMs + asked.settleMs);
  const known = worst.filter(({ blocksNeeded }) => Number.isFinite(blocksNeeded));
  if (known.length === 0) return [];
  const each = known.map(({ metric, blocksNeeded, neededFor }) => {
    const size = metric.kind === 'errors' ? `one call more of a hundred in errors` : `${neededFor * 100} % of ${metricName(metric)}`;
    const enough = blocksNeeded <= wholeBlocks ? 'these would do' : `${shown(blocksNeeded)} blocks (${shownSpan(blocksNeeded * blockMs)})`;
    return `${size}: ${enough}`;
  });
  return [`To show a difference four times of five: ${each.join('; ')}.`];
}

function guardrailLines({ guardrail, arms }: AbtestResult): string[] {
  if (guardrail === null) return [];
  const { settings, opinions } = guardrail;
  const slo = shownMs(settings.sloMs);
  const measured = opinions.map(({ arm, p95Ms }) => `${arms[arm]!.name} ${shownMs(p95Ms)}`).join(', ');
  const broken = opinions.filter(({ isWithin }) => !isWithin).map(({ arm }) => arms[arm]!.name);
  const narrowed = opinions.filter((one) => one.narrowed > 0);
  const opinion = opinions.some(({ p95Ms }) => Number.isNaN(p95Ms))
    ? `not all were measured, of a guardrail of ${slo}`
    : broken.length === 0
      ? `all keep to the guardrail's ${slo}`
      : `${broken.join(', ')} ${broken.length === 1 ? 'breaks' : 'break'} the guardrail's ${slo}, for which it narrows windows`;
  const did = narrowed.map(
    ({ arm, narrowestMs, narrowed: times, looked }) =>
      `It narrowed ${arms[arm]!.name} to ${narrowestMs} ms in ${times} of ${looked} slots, so the test is of less than it says.`,
  );
  const calm = settings.enabled ? 'It changed no window meanwhile.' : 'It is off.';
  return [`Guardrail: p95 to the first token ${measured}; ${opinion} (p95_slo_ms). ${did.length > 0 ? did.join(' ') : calm}`];
}

/** What stands between the result and a reader: above all else. */
export function warningLines({ trust, stopped, wasInterrupted, wholeBlocks, wantedBlocks, leftBehind }: AbtestResult): string[] {
  return [
    ...trust.problems.map((problem) => `INVALID: ${problem}.`),
    ...(stopped === null ? [] : [`It ended before its time: ${stopped}. ${wholeBlocks} of ${wantedBlocks} blocks are whole.`]),
    ...(wasInterrupted ? [`It was interrupted; ${wholeBlocks} of ${wantedBlocks} blocks are whole.`] : []),
    ...(leftBehind === null ? [] : [`Left behind: ${leftBehind}.`]),
    ...trust.notes.map((note) => `Mind: ${note}.`),
  ];
}

import { byExit, tookLeave } from './by-exit.ts';
import type { Ending } from './ending.ts';
import { howItEnded, isHarmless, storyOf } from './ending.ts';
import type { Evidence, FailureRow } from './row.ts';
import type { FailureClass } from './table.ts';
import { FAILURE_ROWS } from './table.ts';
import type { Failure } from './failure.ts';
import type { LogLine } from './log-tail.ts';
import type { SpokenLine } from './traceback.ts';
import { rootException, spoken, withoutPrefix, wordsOf } from './traceback.ts';

interface Found {
  readonly row: FailureRow<FailureClass>;
  readonly line: SpokenLine;
  readonly match: RegExpExecArray;
}

/** Explains an end nobody asked for, whatever its code: vLLM ends with 0 when its engine has died. Pure. */
export function explain(ending: Ending): Failure {
  const story = storyOf(ending);
  const lines = spoken(story.lines);
  const certain = find(ending, lines, 'decisive') ?? find(ending, lines, 'telling');
  if (certain) return toFailure(ending, certain, wordsOf(certain.line, lines));
  const vague = ending.ended && tookLeave(story.lines) ? null : find(ending, lines, 'generic');
  const cause = causeIn(lines);
  const by = byExit(ending, story.lines);
  if (by) return { ...complete(ending, by, wordsAt(by.class, cause, story.signed, lines)), evidence: by.evidence };
  if (vague) return toFailure(ending, vague, cause ?? vague.line.said.trim());
  const unknown = {
    class: 'unknown',
    retry: 'backoff',
    message: 'The engine ended by itself.',
    advice: 'Read the worker’s log file for what came before.',
  } as const;
  return complete(ending, unknown, cause ?? lastError(lines) ?? '');
}

/** Who speaks of the cause first: the engine's processes, then those whose lines have no name, and last the server in front of them. */
const SPEAKERS: readonly ((line: Pick<LogLine, 'process'>) => boolean)[] = [
  ({ process }) => process !== null && process !== 'APIServer',
  ({ process }) => process === null,
  ({ process }) => process === 'APIServer',
];

/** The earliest line that a row of this rank recognizes. */
function find(ending: Ending, lines: readonly SpokenLine[], rank: FailureRow['rank']): Found | null {
  const rows = FAILURE_ROWS.filter((row) => row.rank === rank && applies(row, ending));
  for (const speaks of SPEAKERS) {
    for (const line of lines) {
      if (!speaks(line)) continue;
      const harmless = isHarmless(line);
      for (const row of rows) {
        if ((harmless && !row.anyLevel) || row.within?.test(line.frames) === false) continue;
        const match = row.pattern.exec(line.text);
        if (match) return { row, line, match };
      }
    }
  }
  return null;
}

function applies(row: FailureRow, { phase, livedMs }: Ending): boolean {
  if (row.during && row.during !== (phase === 'serving' ? 'serving' : 'start')) return false;
  if (row.phases && !row.phases.includes(phase)) return false;
  return row.afterMs === undefined || livedMs >= row.afterMs;
}

function toFailure(ending: Ending, { row, match }: Found, lastWords: string): Failure {
  const failure = complete(ending, { ...row, retry: row.retryBy?.(match) ?? row.retry, message: row.message(match) }, lastWords);
  const oomKills = row.class === 'oom-host' && ending.hostOomKills ? { hostOomKills: ending.hostOomKills } : {};
  return { ...failure, evidence: { ...capacity(row.class, ending.lines), ...row.evidence?.(match), ...oomKills } };
}

/** PyTorch names the size of the card in a line of its own. */
function capacity(name: FailureClass, lines: readonly LogLine[]): Evidence {
  if (!name.startsWith('oom-') || name === 'oom-host') return {};
  for (const { text } of lines) {
    const gib = /GPU \d+ has a total capacity of ([\d.]+) GiB/.exec(text)?.[1];
    if (gib !== undefined) return { totalGib: Number(gib) };
  }
  return {};
}

type Told = Pick<Failure, 'class' | 'retry' | 'message' | 'advice'>;

function complete(ending: Ending, told: Told, lastWords: string): Failure {
  const { class: name, retry, advice } = told;
  const { phase } = ending;
  const message = ending.ended && !ending.first ? told.message : `${told.message} ${howItEnded(ending, told.message)}`;
  // What it said is no part of it: the figures, processes and addresses in it are others each time.
  const kind = VAGUE.has(name) ? (/^(?:[\w.]+\.)?(\w+)(?=:|$)/.exec(lastWords)?.[1] ?? '') : '';
  const signature = `${name}/${phase}${kind === '' ? '' : `/${kind}`}`;
  return withLastWords({ class: name, phase, retry, signature, message, advice, lastWords: '', evidence: {} }, lastWords);
}

const PYTHON_ERROR = /\b[A-Z]\w*(?:Error|Exception|Interrupt)\b.*/;

/**
 * The words most likely to name the cause. The engine core's and the workers' errors come before the API server's, which only reports
 * that the engine is gone. null where nobody has raised one of its own.
 */
function causeIn(lines: readonly SpokenLine[]): string | null {
  const serious = lines.filter((line) => !isHarmless(line));
  for (const speaks of SPEAKERS) {
    const exception = rootException(serious.filter(speaks));
    if (exception) return wordsOf(exception, lines);
  }
  return null;
}

function lastError(lines: readonly SpokenLine[]): string | null {
  return lines.findLast((line) => !isHarmless(line) && /\berror\b/i.test(line.text))?.said.trim() ?? null;
}

/**
 * What is worth quoting where the way of ending says what happened: of a command line that was refused the last line tells why, of a crash
 * its own words do. Who was killed says nothing of that, and what the others raise then is a consequence.
 */
function wordsAt(name: FailureClass, cause: string | null, signed: boolean, lines: readonly SpokenLine[]): string {
  if (name === 'config') return cause ?? lines.findLast((line) => !isHarmless(line))?.said.trim() ?? '';
  return name === 'crash' && signed ? (cause ?? '') : '';
}

/** The same failure, quoting the child; unchanged when it is quoted already or was silent. */
function withLastWords(failure: Failure, lastWords: string): Failure {
  const said = withoutPrefix(lastWords);
  if (failure.lastWords !== '' || said === '') return failure;
  const quoted = said.length > 400 ? `${said.slice(0, 400)}…` : said;
  return { ...failure, lastWords: said, message: `${failure.message} It said: “${quoted}”` };
}

/** Classes of failures that we notice from outside: the log may know the cause. */
const SYMPTOMS: ReadonlySet<FailureClass> = new Set(['start-timeout', 'warm-up', 'unresponsive', 'stalled', 'wake-failed']);
/** Classes that only tell that something has ended. */
const VAGUE: ReadonlySet<FailureClass> = new Set(['unknown', 'engine-start', 'engine-death']);

/**
 * A failure that was noticed before the process ended, in the light of how it ended: the cause where the log tells one, or else the same
 * failure, quoting the error with which the process ended. How it took leave is not worth quoting.
 */
export function withCause(failure: Failure, exit: Failure): Failure {
  if (failure.class === 'stopped') return failure;
  const dead = failure.class === 'unresponsive' && exit.class === 'engine-death';
  if (dead || (SYMPTOMS.has(failure.class) && !VAGUE.has(exit.class))) return exit;
  return PYTHON_ERROR.test(exit.lastWords) && !/KeyboardInterrupt/.test(exit.lastWords) ? withLastWords(failure, exit.lastWords) : failure;
}

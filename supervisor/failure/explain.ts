import type { Evidence, Exit, FailurePhase, FailureRow } from './row.ts';
import type { FailureClass } from './table.ts';
import { FAILURE_ROWS } from './table.ts';
import type { Failure } from './failure.ts';
import type { LogLine } from './log-tail.ts';
import type { SpokenLine } from './traceback.ts';
import { rootException, spoken, withoutPrefix, wordsOf } from './traceback.ts';

/** How an engine has ended, as far as anyone can see. */
export interface Ending {
  readonly exit: Exit;
  readonly phase: FailurePhase;
  /** What this start has said that may matter, oldest first. */
  readonly lines: readonly LogLine[];
  /** From its launch to its end. */
  readonly livedMs: number;
  /** Processes that the kernel has killed around it for want of main memory just then; null where it does not say. */
  readonly hostOomKills: number | null;
  /** We have ended it ourselves: the way it went tells nothing, only its log may. */
  readonly ended: boolean;
}

/** A serving worker's end is looked for among its last words; what is older is another story. */
const SERVING_LINES = 400;
/** The story of a death begins a little before the engine core says that it dies: a worker process of it may have spoken first. */
const BEFORE_FATAL_LINES = 200;
const FATAL = /EngineCore encountered a fatal error|EngineCore failed to start/;

const OUT_OF_HOST_MEMORY = 'Give the machine or container more main memory (1.3 times the weights plus 4 GiB), not more GPU memory.';

interface Found {
  readonly row: FailureRow<FailureClass>;
  readonly line: SpokenLine;
  readonly match: RegExpExecArray;
}

/** Explains an end nobody asked for, whatever its code: vLLM ends with 0 when its engine has died. Pure. */
export function explain(ending: Ending): Failure {
  const lines = spoken(storyOf(ending));
  const certain = find(ending, lines, 'decisive') ?? find(ending, lines, 'telling');
  if (certain) return toFailure(ending, certain, wordsOf(certain.line, lines));
  const vague = find(ending, lines, 'generic');
  const cause = causeIn(lines) ?? vague?.line.said.trim() ?? lastError(lines) ?? lines.at(-1)?.said.trim() ?? '';
  const byExit = explainExit(ending, vague?.line.said.trim() ?? cause);
  if (byExit) return byExit;
  if (vague) return toFailure(ending, vague, cause);
  const unknown = {
    class: 'unknown',
    retry: 'backoff',
    message: 'The engine ended by itself.',
    advice: 'Read the worker’s log file for what came before.',
  } as const;
  return complete(ending, unknown, cause);
}

function storyOf({ phase, lines }: Ending): readonly LogLine[] {
  const fatal = lines.findLastIndex(({ text }) => FATAL.test(text));
  if (phase !== 'serving') return lines;
  return fatal === -1 ? lines.slice(-SERVING_LINES) : lines.slice(Math.max(0, fatal - BEFORE_FATAL_LINES));
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
      const harmless = HARMLESS.test(line.text);
      for (const row of rows) {
        if (harmless && !row.anyLevel) continue;
        const match = row.pattern.exec(line.text);
        if (match) return { row, line, match };
      }
    }
  }
  return null;
}

/** A line that vLLM itself does not call an error; a warning may have been overcome. */
const HARMLESS = /^(?:INFO|DEBUG|WARNING)\b/;

function applies(row: FailureRow, { phase, livedMs }: Ending): boolean {
  if (row.during && row.during !== (phase === 'serving' ? 'serving' : 'start')) return false;
  if (row.phases && !row.phases.includes(phase)) return false;
  return row.afterMs === undefined || livedMs >= row.afterMs;
}

/** What the way of ending says by itself, where the log knows no better. */
function explainExit(ending: Ending, lastWords: string): Failure | null {
  const { exit, phase, hostOomKills, ended } = ending;
  if ((hostOomKills ?? 0) > 0) {
    const message = 'The machine ran out of main memory and the kernel killed the engine.';
    const failure = complete(ending, { class: 'oom-host', retry: 'backoff', message, advice: OUT_OF_HOST_MEMORY }, lastWords);
    return { ...failure, evidence: { hostOomKills: hostOomKills ?? 0 } };
  }
  if (ended) return null;
  if (exit.code === 2 && phase !== 'serving') {
    const message = 'vLLM does not accept its command line.';
    return complete(
      ending,
      { class: 'config', retry: 'never', message, advice: 'The end of the worker’s log says what is wrong.' },
      lastWords,
    );
  }
  if (exit.signal === 'SIGKILL' || exit.code === 137) {
    // The kernel's count stood still: somebody else sent the signal.
    const killed = hostOomKills === 0;
    const message = killed
      ? 'The engine was killed from outside, by a person or a program: the kernel has not done it.'
      : 'The engine was killed from outside, most likely because the machine ran out of main memory.';
    const advice = killed ? 'Find out who sends SIGKILL to it.' : OUT_OF_HOST_MEMORY;
    return complete(ending, { class: killed ? 'killed' : 'oom-host', retry: 'backoff', message, advice }, lastWords);
  }
  if (exit.signal === 'SIGSEGV' || exit.signal === 'SIGABRT' || exit.signal === 'SIGBUS' || exit.signal === 'SIGILL') {
    const advice = 'If it returns, try enforce_eager: true or another attention backend, and look for “Xid” in the kernel log.';
    return complete(ending, { class: 'crash', retry: 'backoff', message: 'The engine crashed.', advice }, lastWords);
  }
  return null;
}

function toFailure(ending: Ending, { row, match }: Found, lastWords: string): Failure {
  const failure = complete(ending, { ...row, message: row.message(match) }, lastWords);
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

function complete({ exit, phase, ended }: Ending, told: Told, lastWords: string): Failure {
  const { class: name, retry, advice } = told;
  const message = ended ? told.message : `${told.message} ${howItEnded(exit, phase)}`;
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
  const serious = lines.filter(({ text }) => !HARMLESS.test(text));
  for (const speaks of SPEAKERS) {
    const exception = rootException(serious.filter(speaks));
    if (exception) return wordsOf(exception, lines);
  }
  return null;
}

function lastError(lines: readonly SpokenLine[]): string | null {
  return lines.findLast(({ text }) => !HARMLESS.test(text) && /\berror\b/i.test(text))?.said.trim() ?? null;
}

const DOING: Readonly<Record<FailurePhase, string>> = {
  launch: 'before it loaded the model',
  load: 'while loading the model',
  profile: 'while measuring its memory',
  kv: 'while taking its working memory',
  graphs: 'while capturing CUDA graphs',
  warmup: 'while warming up',
  serving: 'while serving',
};

function howItEnded(exit: Exit, phase: FailurePhase): string {
  const known = exit.code !== null || exit.signal !== null;
  const how = exit.signal ? ` by ${exit.signal}` : known ? ` with code ${exit.code}` : '';
  return `(It ended${how} ${DOING[phase]}.)`;
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
  const dead = failure.class === 'unresponsive' && exit.class === 'engine-death';
  if (dead || (SYMPTOMS.has(failure.class) && !VAGUE.has(exit.class))) return exit;
  return PYTHON_ERROR.test(exit.lastWords) && !/KeyboardInterrupt/.test(exit.lastWords) ? withLastWords(failure, exit.lastWords) : failure;
}

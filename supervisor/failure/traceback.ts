import type { LogLine } from './log-tail.ts';

/** Level, clock and place in the source: what stands before the message in vLLM's log. */
const LOG_PREFIX = /^[A-Z]+ \d\d-\d\d \d\d:\d\d:\d\d \[[^\]]*\] /;
const HEADER = /^\s*Traceback \(most recent call last\):/;
const FRAME = /^\s+File "[^"]*", line \d+/;
/** Between two tracebacks of one failure, of which the later is what became of the earlier. */
const LINK = /^During handling of the above exception|^The above exception was the direct cause/;
/** The exception's own line: its class, with or without its module, and mostly what it says. */
const EXCEPTION = /^(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Failure|OutOfResources)\b/;

/** A line with its part in a traceback. */
export interface SpokenLine extends LogLine {
  /** Without what vLLM's log puts before it. */
  readonly said: string;
  /** It names an exception as Python does at the end of a traceback. `chained`: one that came of the exception named before it. */
  readonly exception: { readonly chained: boolean } | null;
  /** The places in the source that its traceback names, a line each; '' where it stands alone. */
  readonly frames: string;
}

/** A line's words without level, clock and place in the source. */
export function withoutPrefix(text: string): string {
  return text.replace(LOG_PREFIX, '');
}

/**
 * What an engine has said, without the lines of source that its tracebacks show: those name errors that nobody has raised. Processes
 * speak at the same time, so each is followed by its name.
 */
export function spoken(lines: readonly LogLine[]): SpokenLine[] {
  const inside = new Map<string | null, boolean>();
  const linked = new Set<string | null>();
  const frames = new Map<string | null, string[]>();
  const kept: SpokenLine[] = [];
  for (const line of lines) {
    const said = withoutPrefix(line.text);
    const isInside = inside.get(line.process) ?? false;
    if (HEADER.test(said) || FRAME.test(said)) {
      inside.set(line.process, true);
      if (HEADER.test(said)) frames.delete(line.process);
      else frames.set(line.process, [...(frames.get(line.process) ?? []), said]);
      continue;
    }
    if (isInside && /^\s/.test(said)) continue;
    inside.set(line.process, false);
    if (LINK.test(said)) {
      linked.add(line.process);
      continue;
    }
    const isException = isInside || EXCEPTION.test(said);
    const places = isInside ? (frames.get(line.process)?.join('\n') ?? '') : '';
    kept.push({ ...line, said, exception: isException ? { chained: linked.has(line.process) } : null, frames: places });
    if (isException) linked.delete(line.process);
  }
  return kept;
}

/** A process says of itself that it fails. What it raised just then stands behind it; what it says later is how it takes leave. */
const FAILS = /failed to start|encountered a fatal error|hit an exception/;
/** Says only that another process is gone, or that somebody has ended this one. */
const DERIVED =
  /^(?:[\w.]+\.)?(?:EngineDeadError|KeyboardInterrupt|SystemExit)\b|Engine core initialization failed|WorkerProc initialization failed|^RuntimeError: (?:cancelled|cannot schedule new futures after shutdown)\s*$/;

/**
 * The exception of which these lines tell, of one process or several: of the process that failed first, the last exception of the
 * traceback with which it did. null where there is none of its own.
 */
export function rootException(lines: readonly SpokenLine[]): SpokenLine | null {
  const own = lines.filter(({ said, exception }) => exception !== null && !DERIVED.test(said));
  const [first] = own;
  if (!first) return null;
  const ofFirst = lines.filter((line) => line.process === first.process);
  const told = ofFirst.findIndex(({ said }) => FAILS.test(said));
  const raised = (told === -1 ? ofFirst : ofFirst.slice(told)).filter((line) => own.includes(line));
  if (told === -1 || raised.length === 0) return own.findLast((line) => line.process === first.process) ?? null;
  const next = raised.findIndex(({ exception }, at) => at > 0 && exception?.chained === false);
  return raised[next === -1 ? raised.length - 1 : next - 1] ?? null;
}

/** The words to quote of an exception: those of pydantic stand in the line below its own. `lines` hold it. */
export function wordsOf(line: SpokenLine, lines: readonly SpokenLine[]): string {
  const said = detailOf(line);
  if (!/\bvalidation errors? for \w+$/.test(said)) return said;
  const below = lines.slice(lines.indexOf(line) + 1, lines.indexOf(line) + 3).filter(({ process }) => process === line.process);
  const detail = below.find((each) => /^\s*(?:Value|Assertion) error, |\[type=/.test(each.said));
  return detail ? detailOf(detail) : said;
}

function detailOf({ said }: SpokenLine): string {
  return said
    .trim()
    .replace(/ \[type=.*$/, '')
    .replace(/^Value error, /, '');
}

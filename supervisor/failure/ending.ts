import type { Exit, FailurePhase, FirstGone } from './row.ts';
import type { LogLine } from './log-tail.ts';

/** How an engine has ended, as far as anyone can see. */
export interface Ending {
  /** Of the process that we have started. */
  readonly exit: Exit;
  /** The first of its processes that was gone; null where that was the one that we have started, or nobody looked. */
  readonly first: FirstGone | null;
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

const DOING: Readonly<Record<FailurePhase, string>> = {
  launch: 'before it loaded the model',
  load: 'while loading the model',
  profile: 'while measuring its memory',
  kv: 'while taking its working memory',
  graphs: 'while capturing CUDA graphs',
  warmup: 'while warming up',
  serving: 'while serving',
};

/** What vLLM calls one of its processes: the kernel keeps 15 characters of it. */
export function processName(kernels: string): string {
  return kernels === 'VLLM::EngineCor' ? 'VLLM::EngineCore' : kernels;
}

/** A sentence in parentheses: who was gone first, how it ended, and what it was doing; `said` goes before it, and may name it already. */
export function howItEnded({ exit, first, phase }: Ending, said: string): string {
  const doing = DOING[phase];
  if (!first) return `(It ended${way(exit)} ${doing}.)`;
  const name = processName(first.name);
  return `(${said.includes(name) ? 'It' : `Its process ${name}`} was gone first${first.exit ? `, ended${way(first.exit)},` : ''} ${doing}.)`;
}

function way({ code, signal }: Exit): string {
  if (signal) return ` by ${signal}`;
  return code === null ? '' : ` with code ${code}`;
}

/** A line that vLLM itself does not call an error; a warning may have been overcome. */
export function isHarmless({ text }: Pick<LogLine, 'text'>): boolean {
  return HARMLESS.test(text);
}

const HARMLESS = /^(?:INFO|DEBUG|WARNING)\b|^\[W\d|: (?:\w+)?Warning: /;

/** A serving worker's end is looked for among its last words; what is older is another story. */
const SERVING_LINES = 400;
/** The story of a death begins a little before the engine core says that it dies: a worker process of it may have spoken first. */
const BEFORE_SIGN_LINES = 200;
const STARTED = /\bApplication startup complete\b/;
const FATAL = /EngineCore encountered a fatal error|EngineCore failed to start/;
const SIGN =
  /EngineCore encountered a fatal error|WorkerProc hit an exception|died unexpectedly|engine core exited unexpectedly|EngineDeadError|Fatal Python error|\[shutdown\] (?:API server: shutdown triggered|EngineCore: trigger received)/;

/**
 * The lines in which the cause may stand. `signed`: they begin with the first sign of the death, so that all that is said in them may have
 * to do with it. What a start has said is no part of a death that came after it.
 */
export function storyOf({ phase, lines }: Pick<Ending, 'phase' | 'lines'>): { lines: readonly LogLine[]; signed: boolean } {
  if (phase !== 'serving') return { lines, signed: true };
  const since = lines.slice(lines.findLastIndex(({ text }) => STARTED.test(text)) + 1);
  const fatal = since.findLastIndex(({ text }) => FATAL.test(text));
  const last = fatal === -1 ? since.findLastIndex(({ text }) => SIGN.test(text)) : fatal;
  if (last === -1) return { lines: since.slice(-SERVING_LINES), signed: false };
  const near = Math.max(0, last - BEFORE_SIGN_LINES);
  const first = near + since.slice(near).findIndex(({ text }) => SIGN.test(text));
  // What an engine's process said just before may be why; what the server in front of it said was about some request.
  const before = since.slice(near, first).filter(({ process }) => process !== null && process !== 'APIServer');
  return { lines: [...before, ...since.slice(first)], signed: true };
}

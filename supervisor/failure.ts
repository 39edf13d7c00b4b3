import type { WorkerStage } from '../gateway/core/worker.ts';
import type { Exit, FailurePhase, RetryRule } from './failure-table.ts';
import { FAILURE_ROWS } from './failure-table.ts';
import type { LogLine } from './log-lines.ts';

export interface Failure {
  /** A short name for metrics and for deciding what to do: a `class` of the failure table. */
  readonly class: string;
  readonly phase: FailurePhase;
  readonly retry: RetryRule;
  /** Equal for failures that are the same one again. */
  readonly signature: string;
  /** Plain words. */
  readonly message: string;
  readonly advice: string;
  /** The line of the log that says it best; '' when the log was silent. */
  readonly lastWords: string;
}

/** Lines of a serving worker's log in which the reason of its death is looked for; what is older is another story. */
const SERVING_LINES = 400;

/**
 * Explains an exit nobody asked for, whatever its code: vLLM ends with 0 when its engine has died.
 * `stage` is how far this start had come; `lines` is the end of its log, oldest first.
 */
export function explain(exit: Exit, stage: WorkerStage, lines: readonly LogLine[]): Failure {
  const phase = phaseOf(stage, lines);
  const searched = phase === 'serving' ? lines.slice(-SERVING_LINES) : lines;
  for (const row of FAILURE_ROWS) {
    if (row.during && row.during !== (phase === 'serving' ? 'serving' : 'start')) continue;
    if (row.phases && !row.phases.includes(phase)) continue;
    const found = row.pattern === null ? null : firstMatch(row.pattern, searched);
    if (!found && !row.exit?.(exit)) continue;
    const lastWords = found?.line.text.trim() ?? rootCause(searched);
    const failure = {
      class: row.class,
      phase,
      retry: row.retry,
      signature: signature(row.class, phase, lastWords),
      message: `${row.message(found?.match ?? null)} ${ending(exit, phase)}`,
      advice: row.advice,
      lastWords: '',
    };
    return withLastWords(failure, lastWords);
  }
  const lastWords = rootCause(searched);
  const unknown: Failure = {
    class: 'unknown',
    phase,
    retry: 'backoff',
    signature: signature('unknown', phase, lastWords),
    message: `The engine ended by itself. ${ending(exit, phase)}`,
    advice: 'Read the worker’s log file for what came before.',
    lastWords: '',
  };
  return withLastWords(unknown, lastWords);
}

/** Level, clock and place in the source: what stands before the message in vLLM's log. */
const LOG_PREFIX = /^[A-Z]+ \d\d-\d\d \d\d:\d\d:\d\d \[[^\]]*\] /;

/** The same failure, quoting the child; unchanged when it is quoted already or was silent. */
export function withLastWords(failure: Failure, lastWords: string): Failure {
  const said = lastWords.replace(LOG_PREFIX, '');
  if (failure.lastWords !== '' || said === '') return failure;
  const quoted = said.length > 400 ? `${said.slice(0, 400)}…` : said;
  return { ...failure, lastWords: said, message: `${failure.message} It said: “${quoted}”` };
}

/** The same failure, quoting the error with which the process ended; how it took leave is not worth quoting. */
export function withCause(failure: Failure, exit: Failure): Failure {
  return PYTHON_ERROR.test(exit.lastWords) && !/KeyboardInterrupt/.test(exit.lastWords) ? withLastWords(failure, exit.lastWords) : failure;
}

export function startTimedOut(stage: WorkerStage, tookMs: number): Failure {
  const phase = phaseOf(stage);
  return plain(
    'start-timeout',
    phase,
    'backoff',
    `The engine was not ready after ${Math.round(tookMs / 1000)} s and its log had stopped telling anything new.`,
    'A first start can take long (download, compilation): raise supervisor.start_timeout_ms. If it always stops at the same line, that line is the cause.',
  );
}

export function warmUpFailed(reason: string): Failure {
  return plain(
    'warm-up',
    'warmup',
    'backoff',
    `The engine reported itself healthy but could not generate one token: ${reason}.`,
    'Kernels are compiled at the first request; the log has the real error. Try another attention backend or engine.enforce_eager: true.',
  );
}

export function unresponsive(reason: string): Failure {
  return plain(
    'unresponsive',
    'serving',
    'backoff',
    `The engine stopped answering its health check: ${reason}.`,
    'If this returns, the worker’s log file shows what the engine did last.',
  );
}

export function unkillable(pids: readonly number[]): Failure {
  return plain(
    'hardware',
    'serving',
    'never',
    `Processes ${pids.join(', ')} cannot be ended, not even by SIGKILL: they hang inside the GPU driver.`,
    'Only a reboot (or a reset of the GPU) frees the card.',
  );
}

/** The engine's program could not be started at all. `code` is the system's error code, such as ENOENT. */
export function spawnFailed(program: string, code: string, detail: string): Failure {
  const missing = code === 'ENOENT' || code === 'EACCES' || code === 'ENOTDIR';
  return plain(
    missing ? 'config' : 'spawn',
    'launch',
    missing ? 'never' : 'backoff',
    code === 'ENOENT' ? `The program “${program}” was not found.` : `The program “${program}” could not be started: ${detail}.`,
    missing
      ? 'Install vLLM, or give the whole path in supervisor.vllm_command; supervisor.engine: sim needs neither GPU nor vLLM.'
      : 'The system refused a new process: look at its limits on processes and memory.',
  );
}

/** The profiles say beforehand that it cannot work. */
export function refused(reason: string): Failure {
  return plain('config', 'launch', 'never', reason, 'Choose another model, or another profile.');
}

export function noPortLeft(): Failure {
  return plain(
    'port',
    'launch',
    'wait',
    'Every port of supervisor.port_range is taken.',
    'Give supervisor.port_range more ports, or end what holds these.',
  );
}

/** The GPU's memory did not become free in time. */
export function vramBusy(neededBytes: number, freeBytes: number): Failure {
  return plain(
    'busy-vram',
    'launch',
    'wait',
    `The GPU has ${gib(freeBytes)} GiB free and ${gib(neededBytes)} GiB are wanted: another process holds the rest.`,
    'nvidia-smi lists who holds it. End it, or lower gpu_memory_utilization.',
  );
}

function gib(bytes: number): string {
  return (bytes / 2 ** 30).toFixed(1);
}

function plain(name: string, phase: FailurePhase, retry: RetryRule, message: string, advice: string): Failure {
  return { class: name, phase, retry, signature: `${name}/${phase}`, message, advice, lastWords: '' };
}

const CAPTURING = /Capturing CUDA graphs|Profiling CUDA graph memory/;

function phaseOf(stage: WorkerStage, lines: readonly LogLine[] = []): FailurePhase {
  switch (stage) {
    case 'process':
      return 'load';
    case 'model_loaded':
      return lines.some((line) => CAPTURING.test(line.text)) ? 'graphs' : 'profile';
    case 'cuda_graphs':
    case 'warmup':
      return 'warmup';
    case 'ready':
      return 'serving';
  }
}

function firstMatch(pattern: RegExp, lines: readonly LogLine[]): { line: LogLine; match: RegExpExecArray } | null {
  for (const line of lines) {
    const match = pattern.exec(line.text);
    if (match) return { line, match };
  }
  return null;
}

const PYTHON_ERROR = /\b[A-Z]\w*(?:Error|Exception|Interrupt)\b.*/;

/**
 * The line most likely to name the cause. The engine core's and the workers' errors come before the API server's, which only
 * reports that the engine is gone; and of a traceback the last line tells.
 */
function rootCause(lines: readonly LogLine[]): string {
  const inner = lines.find((line) => line.process !== null && line.process !== 'APIServer' && PYTHON_ERROR.test(line.text));
  const anyError = inner ?? lines.find((line) => PYTHON_ERROR.test(line.text)) ?? lines.findLast((line) => /\berror\b/i.test(line.text));
  return (anyError ?? lines.at(-1))?.text.trim() ?? '';
}

function signature(name: string, phase: FailurePhase, line: string): string {
  return `${name}/${phase}/${line.replaceAll(/[\d.]+/g, '#').slice(0, 200)}`;
}

const DOING: Readonly<Record<FailurePhase, string>> = {
  launch: 'before it had started',
  load: 'while loading the model',
  profile: 'while preparing its memory',
  graphs: 'while capturing CUDA graphs',
  warmup: 'while warming up',
  serving: 'while serving',
};

function ending(exit: Exit, phase: FailurePhase): string {
  const how = exit.signal ? `by ${exit.signal}` : `with code ${exit.code ?? 'unknown'}`;
  return `(It ended ${how} ${DOING[phase]}.)`;
}

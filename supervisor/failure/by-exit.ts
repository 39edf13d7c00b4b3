import { isHarmless, processName } from './ending.ts';
import type { Ending } from './ending.ts';
import type { Failure } from './failure.ts';
import { STOPPED } from './failure.ts';
import type { LogLine } from './log-tail.ts';
import type { Exit, FailurePhase } from './row.ts';

/** What a way of ending is called. */
export type Told = Pick<Failure, 'class' | 'retry' | 'message' | 'advice' | 'evidence'>;

const MORE_MEMORY = 'Give the machine or container more main memory (1.3 times the weights plus 4 GiB), not more GPU memory.';

/** vLLM says it of a process that it could ask in time; mostly it prints None. */
const KILLED_SAID = /died unexpectedly \(exit code: -9\)|Failed core proc\(s\): \{[^}]*: -9/;
const TOLD_SERVER = /\[shutdown\] API server: shutdown triggered|KeyboardInterrupt: terminated/;
const TOLD_CORE = /\[shutdown\] EngineCore: trigger received signal=/;
const SENT = /\[shutdown\] Process manager: send sigterm/;
const DEAD = /EngineCore encountered a fatal error|died unexpectedly|engine core exited unexpectedly|EngineDeadError/;

const UNKNOWN: Exit = { code: null, signal: null };

const CRASHES: ReadonlySet<string | null> = new Set(['SIGSEGV', 'SIGABRT', 'SIGBUS', 'SIGILL', 'SIGFPE', 'SIGTRAP']);

/** What the way of ending says by itself, where the log knows no better; null where it says nothing. */
export function byExit(ending: Ending, lines: readonly LogLine[]): Told | null {
  const { first, phase, hostOomKills, ended } = ending;
  const who = first ? `its process ${processName(first.name)}` : 'the engine';
  if ((hostOomKills ?? 0) > 0) {
    const message = `The machine ran out of main memory and the kernel killed ${who}.`;
    return { class: 'oom-host', retry: 'backoff', message, advice: MORE_MEMORY, evidence: { hostOomKills: hostOomKills ?? 0 } };
  }
  // What went before we ended the rest is no doing of ours.
  if (ended && !first) return null;
  const exit = ended ? UNKNOWN : ending.exit;
  if (exit.code === 2 && phase !== 'serving')
    return told('config', 'never', 'vLLM does not accept its command line.', 'The end of the worker’s log says what is wrong.');
  if (wasTold(exit, phase, lines)) return told('stopped', 'backoff', STOPPED.message, STOPPED.advice);
  if (isKill(exit) || (first?.exit && isKill(first.exit)) || lines.some(({ text }) => KILLED_SAID.test(text)))
    return killed(who, hostOomKills);
  if (isCrash(exit) || (first?.exit && isCrash(first.exit))) {
    const advice = 'If it returns, try enforce_eager: true or another attention backend, and look for “Xid” in the kernel log.';
    return told('crash', 'backoff', `${first ? `The engine’s process ${processName(first.name)}` : 'The engine'} crashed.`, advice);
  }
  if (first !== null && first.exit === null && isSilent(first.name, lines)) return vanished(who, hostOomKills);
  return null;
}

function killed(who: string, hostOomKills: number | null): Told {
  // The kernel's count stood still: somebody else sent the signal.
  if (hostOomKills === 0) {
    const message = `${capital(who)} was killed from outside, by a person or a program: the kernel has not done it.`;
    return told('killed', 'backoff', message, 'Find out who sends SIGKILL to it.');
  }
  const message = `${capital(who)} was killed from outside, by a person, a program, or the kernel for want of main memory: its count of that cannot be read here.`;
  return told(
    'killed',
    'backoff',
    message,
    `Look for “Out of memory” in the kernel log (dmesg). If it stands there: ${lower(MORE_MEMORY)}`,
  );
}

/** Its parent took its exit status away before it was seen. Nearly always it was SIGKILL: a crash has words as a rule, though not always. */
function vanished(who: string, hostOomKills: number | null): Told {
  const kernel =
    hostOomKills === 0 ? '' : ' It may also have been the kernel, for want of main memory: its count of that cannot be read here.';
  const message = `${capital(who)} was gone without a word: killed by a person or a program, or crashed so that it could not say so.${kernel}`;
  const advice =
    'Look for “segfault”, “Xid” and “Out of memory” in the kernel log (dmesg). If none is there, find out who sends SIGKILL to it.';
  return told('killed', 'backoff', message, advice);
}

function told(name: Failure['class'], retry: Failure['retry'], message: string, advice: string): Told {
  return { class: name, retry, message, advice, evidence: {} };
}

/** It went because it was told to: what it says after that, EngineDeadError in an orderly stop as well, is no cause. */
export function tookLeave(lines: readonly LogLine[]): boolean {
  const at = (words: RegExp) => lines.findIndex(({ text }) => words.test(text));
  const [toldAt, dead] = [at(TOLD_SERVER), at(DEAD)];
  return toldAt !== -1 && (dead === -1 || toldAt < dead);
}

/** A signal that asks, and nothing that had gone wrong before it. */
function wasTold({ code, signal }: Exit, phase: FailurePhase, lines: readonly LogLine[]): boolean {
  if (signal === 'SIGTERM' || signal === 'SIGINT' || signal === 'SIGHUP') return true;
  const at = (words: RegExp) => lines.findIndex(({ text }) => words.test(text));
  const dead = at(DEAD);
  const before = (sign: number) => sign !== -1 && (dead === -1 || sign < dead);
  if (code === 143 || code === 130 || tookLeave(lines)) return true;
  // Of a server that was killed the rest is told by us; one that ends for a reason of its own tells its engine core.
  const [sent, core] = [at(SENT), at(TOLD_CORE)];
  return phase === 'serving' && signal === null && code !== 137 && before(core) && (sent === -1 || core < sent);
}

function isKill({ code, signal }: Exit): boolean {
  return signal === 'SIGKILL' || code === 137;
}

function isCrash({ signal }: Exit): boolean {
  return CRASHES.has(signal);
}

/** vLLM's names in the log of the processes that the kernel calls so. */
const IN_LOG: readonly (readonly [kernel: RegExp, log: RegExp])[] = [
  [/^VLLM::EngineCor/, /^EngineCore/],
  [/^VLLM::Worker/, /^(?:Vllm)?Worker/],
];

/** It went without a word: every way to die that a process can hear of leaves a traceback, and every crash that it cannot prints one. */
function isSilent(name: string, lines: readonly LogLine[]): boolean {
  const spoke = IN_LOG.find(([kernel]) => kernel.test(name))?.[1];
  if (!spoke) return false;
  return !lines.some(
    (line) => /Fatal Python error|Segmentation fault|Segfault encountered|terminate called/.test(line.text) || speaks(line, spoke),
  );
}

/** That it goes because another is gone is no word about itself. */
function speaks(line: LogLine, spoke: RegExp): boolean {
  return line.process !== null && spoke.test(line.process) && (!isHarmless(line) || TOLD_CORE.test(line.text));
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function lower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

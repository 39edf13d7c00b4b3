import type { Evidence, FailurePhase, RetryRule } from './row.ts';
import type { GpuReading } from '../gpu/gpu.ts';
import type { FailureClass } from './table.ts';
import { plainText } from '../../gateway/core/secrets/plain-text.ts';
import { withoutSecrets } from '../../gateway/core/secrets/text.ts';
import { comfortable, cudaTotalBytes, freeForVllmBytes, neededBytes, utilizationLimit } from '../gpu/memory.ts';

export interface Failure {
  readonly class: FailureClass;
  readonly phase: FailurePhase;
  readonly retry: RetryRule;
  /** Equal for failures that are the same one again. */
  readonly signature: string;
  /** Plain words. */
  readonly message: string;
  readonly advice: string;
  /** The line of the log that says it best; '' when the log was silent. */
  readonly lastWords: string;
  readonly evidence: Evidence;
}

/** A signal that asks an engine to end, which somebody else has sent. */
export const STOPPED = {
  message: 'The engine was told to stop from outside, by a person or a program: Headgate has not done it.',
  advice:
    'It is started again at once. To stop it for good use headgate drain, or stop Headgate. Find out who sends SIGTERM to it: systemd, the stop of a container, a script.',
} as const;

export function startTimedOut(phase: FailurePhase, tookMs: number): Failure {
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

/** Its log has said that it was told to stop, and not by us. It does so at once; how it ends is no news. */
export function stoppedFromOutside(phase: FailurePhase): Failure {
  return plain('stopped', phase, 'backoff', STOPPED.message, STOPPED.advice);
}

/** It answers its health check, has nothing to do, and makes no token. */
export function idleHung(tries: number, reason: string): Failure {
  return plain(
    'stalled',
    'serving',
    'backoff',
    `The engine had nothing to do and made no token when it was asked for one, ${tries} times in a row: ${reason}. It is started again.`,
    'If this returns, look for “Xid” in the kernel log, and try enforce_eager: true or another attention backend.',
  );
}

/**
 * No token has come for `silentMs`, while the health check says that all is well. `requests`: how many it had in hand, besides the one for
 * a token with which it was tested; null where it did not say.
 */
export function stalled(silentMs: number, requests: number | null, hopeless: boolean): Failure {
  const what =
    requests === null
      ? 'It did not even say what it was doing'
      : requests === 0
        ? 'Its clients had given up, and it made none when it was asked for one'
        : `${requests === 1 ? '1 request was' : `${requests} requests were`} waiting for one`;
  return plain(
    'stalled',
    'serving',
    'backoff',
    `The engine produced no token for ${Math.round(silentMs / 1000)} s. ${what}. ` +
      (hopeless ? 'It is started again.' : 'It gets no new requests meanwhile.'),
    'If this returns, look for “Xid” in the kernel log, and try enforce_eager: true or another attention backend.',
  );
}

/** It answers nobody, and its process does nothing. */
export function frozenFor(silentMs: number, _requests: number | null, hopeless: boolean): Failure {
  return plain(
    'stalled',
    'serving',
    'backoff',
    `The engine has answered nothing for ${Math.round(silentMs / 1000)} s, and its process did nothing: it is stopped or stuck. ` +
      (hopeless ? 'It is started again.' : 'It gets no new requests meanwhile.'),
    'If this returns, look whether something stops it (a debugger, SIGSTOP) or keeps it from its files (a disk or network mount that hangs).',
  );
}

export function sleepFailed(reason: string): Failure {
  return plain(
    'sleep-failed',
    'serving',
    'backoff',
    `The engine did not give its memory back when it was put to sleep: ${reason}. It is stopped instead.`,
    'If this returns, set swap.strategy: cold for this model.',
  );
}

export function wakeFailed(reason: string): Failure {
  return plain(
    'wake-failed',
    'serving',
    'backoff',
    `The engine did not wake up: ${reason}. It is started from the beginning.`,
    'If this returns, set swap.strategy: cold for this model.',
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

/** Its log file could not be had: nothing of the engine has been started. */
export function notPrepared(detail: string): Failure {
  return plain(
    'spawn',
    'launch',
    'backoff',
    `The start could not be prepared: ${detail}.`,
    'Look at the folder of supervisor.state_dir: its disk may be full, or it cannot be written to.',
  );
}

/** The profiles say beforehand that it cannot work. */
export function refused(reason: string): Failure {
  return plain(
    'config',
    'launch',
    'never',
    reason,
    'Change what it names under models or supervisor in the settings; headgate doctor shows what works here.',
  );
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

type Memory = Pick<GpuReading, 'memoryTotalBytes' | 'memoryReservedBytes'>;

/** The GPU's memory did not become free in time. */
export function vramBusy(gpu: Memory, freeBytes: number, utilization: number): Failure {
  const needed = neededBytes(gpu, utilization);
  return plain(
    'busy-vram',
    'launch',
    'wait',
    `The GPU has ${gib(freeBytes)} of ${gib(cudaTotalBytes(gpu))} GiB free and ${gib(needed)} GiB are wanted: another process holds the rest.`,
    'nvidia-smi lists who holds it. End it, or lower gpu_memory_utilization.',
    memoryEvidence(gpu, freeBytes, utilization),
  );
}

/** More of the GPU's memory is wanted than is free when nobody else uses it: there is nothing to wait for. */
export function vramNeverFree(gpu: Memory, freeBytes: number, utilization: number): Failure {
  const most = comfortable(utilizationLimit(gpu));
  const total = cudaTotalBytes(gpu);
  return plain(
    'busy-vram',
    'launch',
    'never',
    `gpu_memory_utilization ${utilization} is never free on this GPU, even when nothing else runs on it: CUDA itself takes part of its ${gib(total)} GiB.`,
    `Leave at least ${gib(total * (1 - most))} GiB for CUDA and for what vLLM cannot foresee: use gpu_memory_utilization ${most}.`,
    { ...memoryEvidence(gpu, freeBytes, utilization), mostUtilization: most },
  );
}

function memoryEvidence(gpu: Memory, freeBytes: number, utilization: number): Evidence {
  const total = cudaTotalBytes(gpu);
  return { freeGib: freeForVllmBytes(freeBytes) / 2 ** 30, totalGib: total / 2 ** 30, wantedGib: (total * utilization) / 2 ** 30 };
}

function gib(bytes: number): string {
  return (bytes / 2 ** 30).toFixed(1);
}

function plain(
  name: FailureClass,
  phase: FailurePhase,
  retry: RetryRule,
  message: string,
  advice: string,
  evidence: Evidence = {},
): Failure {
  // What an engine or the system has answered may be part of it.
  const shown = withoutSecrets(plainText(message));
  return { class: name, phase, retry, signature: `${name}/${phase}`, message: shown, advice, lastWords: '', evidence };
}

import type { Log } from '../settings/log.ts';

/** A start that ends badly. */
export class StartFailure extends Error {
  readonly exitCode: number;
  /** What the engine core logs before the front end gives up; null where the front end itself failed. */
  readonly engineError: string | null;

  constructor(exitCode: number, message: string, engineError: string | null = null) {
    super(message);
    this.exitCode = exitCode;
    this.engineError = engineError;
  }
}

/** 0.32.0 names no process and no status, whatever ended the engine core. */
const INITIALIZATION_FAILED = 'RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}';

/** The engine core could not start: its own words first, then the front end's, exit status 1. */
export function engineStartFailure(engineError: string): StartFailure {
  return new StartFailure(1, INITIALIZATION_FAILED, engineError);
}

/** The engine core was killed by the kernel while it started: it says nothing. */
export function engineKilledInStart(): StartFailure {
  return new StartFailure(1, INITIALIZATION_FAILED);
}

/** Writes what vLLM writes: the engine core's own words, on both streams, and after them the front end's, which know nothing. */
export function printStartFailure(log: Log, failure: StartFailure): void {
  const { engineError } = failure;
  if (engineError !== null) {
    log.error('EngineCore', 'core.py:1100', 'EngineCore failed to start.');
    log.error('EngineCore', 'core.py:1100', `Traceback (most recent call last):\n${engineError}`);
    log.stderr('EngineCore', `Process EngineCore:\nTraceback (most recent call last):\n${engineError}`);
  }
  log.stderr('APIServer', `Traceback (most recent call last):\n${failure.message}`);
}

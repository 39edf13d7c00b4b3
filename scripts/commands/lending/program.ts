import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { systemClock, type Timer } from '../../../gateway/core/clock.ts';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const;
/** From the word to end to the one that cannot be refused. */
const KILL_AFTER_MS = 10_000;

/** A program that runs on a lent card, in a process group of its own, with our terminal. */
export interface Program {
  /** Its exit code: 127 where it is not there any more, 128 and the signal where one ended it. */
  readonly ended: Promise<number>;
  /** Tells it and all that it has started to end; what has not within 10 s is killed. */
  end(): void;
}

/** A line for the terminal. */
export function notStarted(command: string, why: string): string {
  return `headgate lease: ${command} cannot be started: ${why}.\n`;
}

/** Starts it. Signals that we get are its own from now on, until it has ended. */
export function startProgram([command = '', ...args]: readonly string[], env: Readonly<Record<string, string>>): Program {
  let killing: Timer | null = null;
  const tell = (signal: NodeJS.Signals): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, signal);
    } catch {
      // Nothing is left of it.
    }
  };
  const listeners = FORWARDED.map((signal) => [signal, () => tell(signal)] as const);
  for (const [signal, listener] of listeners) process.on(signal, listener);
  // Stopped, we could not say that we are still there.
  const stay = (): void => void process.stderr.write('headgate lease: it cannot be suspended, since the card would go back.\n');
  process.on('SIGTSTP', stay);
  // Not before somebody listens: it may run, and we be told something for it, before spawn has returned.
  const child = spawn(command, args, { stdio: 'inherit', detached: true, env: { ...process.env, ...env } });
  const ended = new Promise<number>((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      const isMissing = error.code === 'ENOENT';
      process.stderr.write(notStarted(command, isMissing ? 'there is no such program' : error.message));
      resolve(isMissing ? 127 : 126);
    });
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  }).finally(() => {
    // What it has left running would be in the way of the workers.
    if (killing !== null) tell('SIGKILL');
    killing?.cancel();
    for (const [signal, listener] of listeners) process.off(signal, listener);
    process.off('SIGTSTP', stay);
  });
  return {
    ended,
    end() {
      if (killing !== null) return;
      tell('SIGTERM');
      killing = systemClock.after(KILL_AFTER_MS, () => tell('SIGKILL'));
    },
  };
}

import { EXIT_FAILED, EXIT_INTERRUPTED_TWICE } from '../../gateway/config/exit-codes.ts';
import { ProgramError } from './program-error.ts';

/** A terminal that is closed counts as much as Ctrl-C: what was measured is told, and what was started is ended. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs the program `name` until it ends. The first interruption aborts its signal, so that it tells what it has; whoever does not want that
 * either says it twice. What is thrown is told on standard error, but for profiles that are wrong, which the command itself tells.
 * `onLeave`: what is to be said, at the second. @returns the exit code
 */
export async function interruptible(
  name: string,
  run: (signal: AbortSignal) => Promise<number>,
  onLeave: () => void = () => {},
): Promise<number> {
  const stopping = new AbortController();
  const interrupt = (): void => {
    if (!stopping.signal.aborted) return stopping.abort();
    onLeave();
    process.exit(EXIT_INTERRUPTED_TWICE);
  };
  for (const signal of SIGNALS) process.on(signal, interrupt);
  try {
    return await run(stopping.signal);
  } catch (error) {
    if ((error as Error).name === 'ProfileError') throw error;
    process.stderr.write(`headgate ${name}: ${(error as Error).message}\n`);
    return error instanceof ProgramError ? error.exitCode : EXIT_FAILED;
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupt);
  }
}

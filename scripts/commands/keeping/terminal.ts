import { isatty } from 'node:tty';

const STANDARD = [0, 1, 2] as const;

/**
 * Tells a terminal that was closed from a SIGHUP that means "read your settings anew": both send the same signal. The result says whether
 * the terminal that we were started on is gone: the kernel lets go of it before it sends the signal. Whoever was started on none, or left
 * it (nohup, a unit, a container), has none to lose.
 */
export function watchTerminal(isTerminal: (fd: number) => boolean = isatty): () => boolean {
  const terminals = STANDARD.filter(isTerminal);
  return () => terminals.length > 0 && !terminals.some(isTerminal);
}

import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../core/log/log.ts';

/** What lasts, or comes again, is told once in this time. */
const QUIET_MS = 600_000;

const RAISE =
  'Raise the limit: `ulimit -n 65536` before the start, LimitNOFILE=65536 in a systemd unit, --ulimit nofile=65536:65536 for a container.';
const REFUSED = 'Calls that need a new connection to a worker are refused (503), and no worker is blamed.';

/** Says that the process has run out of something it needs for a connection (`shortageOf`), with what to do about it. */
export function shortageLog(log: Pick<Log, 'error'>, clock: Clock, openFiles: number | null): (what: string) => void {
  return rarely(clock, (what: string) => log.error('files.none', messageOf(what, openFiles), { code: what }));
}

/** Says that more clients want to be connected than there are files for. */
export function crowdLog(log: Pick<Log, 'warn'>, clock: Clock, openFiles: number | null): (most: number) => void {
  return rarely(clock, (most: number) => {
    const why = `that is what ${openFiles} open files leave for them, with those set aside for workers`;
    log.warn('files.clients', `${most} clients are connected, and more are refused: ${why}. ${RAISE}`);
  });
}

/** What is said at the start of a process that may open few files. */
export function fewFiles(openFiles: number, most: number): string {
  return `This process may have only ${openFiles} files open, so that no more than ${most} clients can be connected. ${RAISE}`;
}

function messageOf(what: string, openFiles: number | null): string {
  if (what === 'EMFILE') return `This process may have no more than ${openFiles ?? 'so many'} files open, and has. ${REFUSED} ${RAISE}`;
  if (what === 'ENFILE') return `This machine can have no more files open. ${REFUSED} Raise fs.file-max, or find what holds them.`;
  return `This machine has no more memory for connections. ${REFUSED}`;
}

function rarely<T>(clock: Clock, say: (about: T) => void): (about: T) => void {
  let quietUntil = -Infinity;
  return (about) => {
    if (clock.now() < quietUntil) return;
    quietUntil = clock.now() + QUIET_MS;
    say(about);
  };
}

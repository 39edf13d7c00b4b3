import type { Log } from '../../gateway/core/log/log.ts';
import type { Fleet } from './fleet.ts';

interface End {
  /** How it ended, once it has: in order, or at once because a second signal came. */
  readonly ended: Promise<'in_order' | 'at_once'>;
  /** Stops every worker; does not wait. */
  stop(reason: string): void;
  /** Leaves the engines as they are; does not wait. */
  leave(reason: string): void;
  /** Listens to no signal any more. */
  finish(): void;
}

type Signals = Pick<NodeJS.EventEmitter, 'on' | 'off'>;

/** The first wish to stop begins an orderly end, the second signal ends everything at once. `isHungUp`: a SIGHUP comes of a lost terminal. */
export function listenForTheEnd(fleet: Fleet, signals: Signals, log: Log, isHungUp: () => boolean): End {
  const { promise: ended, resolve: end, reject } = Promise.withResolvers<'in_order' | 'at_once'>();
  let begun: 'stop' | 'leave' | null = null;
  function stop(reason: string): void {
    if (begun !== null) return;
    begun = 'stop';
    log.info('supervisor.stop', 'Stopping every worker.', { reason });
    fleet.stop().then(() => end('in_order'), reject);
  }
  function leave(reason: string): void {
    if (begun !== null) return;
    begun = 'leave';
    log.info('supervisor.stop', 'Leaving the engines as they are, for the next supervisor.', { reason });
    fleet.leave().then(() => end('in_order'), reject);
  }
  function onSignal(name: string): void {
    if (begun === null) return stop(name);
    // What was left is not ours to end any more.
    if (begun === 'leave') return;
    log.warn('supervisor.stop', 'Ending every worker at once.', { reason: name });
    fleet.killNow();
    end('at_once');
  }
  function onHangUp(): void {
    if (isHungUp()) return stop('the terminal is gone');
    // Not as a start: the history would take it for the beginning of a life.
    log.info('supervisor.control', 'SIGHUP changes nothing here: settings are read at the start.');
  }
  const heard = { SIGTERM: onSignal, SIGINT: onSignal, SIGHUP: onHangUp, SIGUSR2: leave };
  for (const [name, listener] of Object.entries(heard)) signals.on(name, listener);
  return {
    ended,
    stop,
    leave,
    finish() {
      for (const [name, listener] of Object.entries(heard)) signals.off(name, listener);
    },
  };
}

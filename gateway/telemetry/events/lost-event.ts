import type { Log } from '../../core/log/log.ts';

/** Says that an event could not be booked. Never throws: a fault in the bookkeeping must not cost a request. */
export function lostEvent(log: Log): (event: string, fault: unknown) => void {
  return (event, fault) => {
    try {
      const name = fault instanceof Error ? fault.name : typeof fault;
      log.error('telemetry', 'an event could not be recorded', { message: event, error_name: name });
    } catch {
      // The log itself is at fault: there is nobody left to tell.
    }
  };
}

import type { Events } from './events.ts';

/** Whoever wants to hear of some of what happens. */
export type Listener = Partial<Events>;

/** By the type, a list of every event there is. */
const NAMES: Readonly<Record<keyof Events, true>> = {
  requestStarted: true,
  requestEnded: true,
  requestRefused: true,
  admitted: true,
  rejected: true,
  limited: true,
  cacheEvicted: true,
  storeChanged: true,
  storeFailed: true,
  storeMissed: true,
  lineEnded: true,
  batchEnded: true,
  batchPaused: true,
  batchLeft: true,
  windowChanged: true,
  routed: true,
  attemptEnded: true,
  retried: true,
  fellBack: true,
  resumeEnded: true,
  sessionsEnded: true,
  prefixRouted: true,
  breakerChanged: true,
  workerChanged: true,
  sourceChanged: true,
  workersFound: true,
  findingsLeftOut: true,
  canaryChanged: true,
  pressureChanged: true,
  configReloaded: true,
  draining: true,
};

/**
 * Tells every listener of what happens, in their order. A fault in one costs neither the request nor the other listeners: `onFault` hears
 * of it, and must not throw. An event that nobody listens to costs an empty call.
 */
export function fanOut(listeners: readonly Listener[], onFault: (event: string, fault: unknown) => void): Events {
  const events: Partial<Record<keyof Events, unknown>> = {};
  for (const name of Object.keys(NAMES) as (keyof Events)[]) {
    const heard = listeners.flatMap((listener) => (listener[name] ? [listener[name].bind(listener) as (...args: unknown[]) => void] : []));
    events[name] = toAll(name, heard, onFault);
  }
  return events as Events;
}

type Heard = (...args: unknown[]) => void;

function toAll(name: string, heard: readonly Heard[], onFault: (event: string, fault: unknown) => void): Heard {
  const [only] = heard;
  if (!only) return () => {};
  if (heard.length === 1) {
    return (...args) => {
      try {
        only(...args);
      } catch (fault) {
        onFault(name, fault);
      }
    };
  }
  const each = heard.map((one) => toAll(name, [one], onFault));
  return (...args) => {
    for (const one of each) one(...args);
  };
}

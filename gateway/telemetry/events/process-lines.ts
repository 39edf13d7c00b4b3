import type { CanaryChange, EndedBatch, Events, StoreState } from '../../core/events.ts';
import type { Log } from '../../core/log/log.ts';
import { rounded } from './request-line.ts';

const DRAIN_WORDS = {
  begin: 'draining: no longer ready, still accepting',
  refusing: 'draining: refusing new requests, finishing those in flight',
  cutting: 'draining: time is up, ending what is left',
  end: 'drained',
} as const;

/** The line of a reload. */
export function tellReload(log: Log, { ok, changed, needsRestart, error }: Parameters<Events['configReloaded']>[0]): void {
  log.write(ok ? 'info' : 'error', 'config.reload', ok ? 'settings reloaded' : 'settings refused, the old ones stay in force', {
    changed,
    needs_restart: needsRestart,
    message: error,
  });
}

/** The line of settings that are tried, or (`seconds` null) are not any more. */
export function tellTrial(log: Log, owner: string, seconds: number | null, changed: readonly string[]): void {
  const what = seconds === null ? `${owner} tries no settings any more.` : `${owner} tries settings for ${seconds} s.`;
  log.info('config.trial', what, { owner, changed });
}

/** The line of a trial that is over and cannot be ended: the settings that it was laid over do not hold any more. */
export function tellTrialStays(log: Log, owner: string, problems: readonly string[]): void {
  log.warn('config.trial', `What ${owner} tries cannot be taken back yet, and is in a moment again: ${problems.join('; ')}`, { owner });
}

/** The line of what was decided of a canary. */
export function tellCanary(log: Log, { result, message }: CanaryChange): void {
  log.write(result === 'rolled_back' ? 'warn' : 'info', 'canary', message, { state: result });
}

/** The line of a stage of the drain. */
export function tellDrain(log: Log, stage: keyof typeof DRAIN_WORDS, inFlight: number, durationMs: number): void {
  const cut = stage === 'cutting' && inFlight > 0;
  log.write(cut ? 'warn' : 'info', 'drain', DRAIN_WORDS[stage], { stage, in_flight: inFlight, duration_ms: rounded(durationMs) });
}

/** The line of a store that begins or ceases to answer. */
export function tellStore(log: Log, state: StoreState): void {
  if (state.isUp) {
    const { server, gateways } = state;
    log.info('store.up', `The store at ${server} answers: ${gateways === 1 ? 'one gateway counts' : `${gateways} gateways count`} in it.`);
  } else log.warn('store.away', `The store at ${state.server} ${state.message}`, { reason: state.trouble });
}

/** The line of a batch that has ended. */
export function tellBatchEnd(log: Log, { id, status, total, completed, failed }: EndedBatch): void {
  const rest = total - completed - failed;
  const lines = `${completed} of ${total} lines have an answer, ${failed} an error${rest > 0 ? `, ${rest} did not run` : ''}`;
  log.info('batch.end', `A batch is ${status}: ${lines}.`, { batch: id });
}

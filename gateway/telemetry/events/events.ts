import type { Call } from '../../core/call.ts';
import type { Clock } from '../../core/clock.ts';
import type { Events } from '../../core/events.ts';
import type { Log } from '../../core/log/log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { UNKNOWN_LABEL } from '../metrics/metrics.ts';
import { labelFrom, methodLabel } from '../metrics/reason-label.ts';
import { EventSizes } from './event-sizes.ts';
import { keptTraceId } from './kept-trace.ts';
import { PromptSizes } from './prompt-sizes.ts';
import { accountRequest, type CountedTokens } from './request-account.ts';
import { requestEndFields, requestEndLevel, rounded, traceFields } from './request-line.ts';
import { tellBatchEnd, tellCanary, tellDrain, tellReload, tellStore } from './process-lines.ts';
import { FINDING_CHANGES } from '../../core/finding/found.ts';
import { tellFindings, tellLeftOut, tellSource } from './discovery-lines.ts';
import { FailureWatch } from './failure-watch.ts';
import { createWorkerAccount } from './worker-account.ts';
import { logWorkerChange } from './worker-lines.ts';

interface EventsOptions {
  readonly metrics: Metrics;
  readonly log: Log;
  readonly clock: Clock;
  /** A supervisor writes the lines about its workers itself; here they would stand twice. Their metrics are counted all the same. */
  readonly workersLogElsewhere?: boolean;
  /** Whether what several processes of one gateway see alike is told and counted by this one. Default: it is alone. */
  readonly speaks?: (() => boolean) | undefined;
  /** Whoever takes down what was used by whom hears of each request that got an answer of a worker, or of before. */
  readonly onCounted?: (call: Call, counted: CountedTokens) => void;
}

const MS_PER_SECOND = 1000;

/** Turns what happens into counters and log lines. Nothing here waits. */
export function createEvents({ metrics, log, clock, workersLogElsewhere = false, speaks = () => true, onCounted }: EventsOptions): Events {
  const { counters, histograms, ledger } = metrics;
  const workers = createWorkerAccount(metrics, clock, speaks);
  const failures = new FailureWatch();
  const sizes = { prompts: new PromptSizes(), events: new EventSizes() };

  const events: Events = {
    requestStarted(call) {
      if (!log.enabled('debug')) return;
      log.debug('request.start', 'request accepted', {
        request_id: call.id,
        route: call.route.path,
        model: call.model,
        stream: call.peek.stream,
        priority: call.priority,
        prompt_chars: call.peek.promptChars,
      });
    },

    requestEnded(call, outcome, status) {
      const endedAt = clock.now();
      try {
        const traceId = keptTraceId(call);
        const trace = traceId === null ? null : { traceId, at: clock.wall() };
        const counted = accountRequest(metrics, sizes, call, outcome, status, endedAt, trace);
        if (outcome.kind !== 'refused') onCounted?.(call, counted);
      } finally {
        const level = requestEndLevel(call, outcome, status);
        if (log.enabled(level)) {
          log.write(level, 'request.end', `request ${outcome.kind}`, requestEndFields(call, outcome, status, endedAt - call.arrivedAt));
        }
      }
    },

    requestRefused({ id, route, path, method, status, code, durationMs, key, trace }) {
      const label = methodLabel(method);
      counters.requests_total.add(1, route, label, String(status), UNKNOWN_LABEL, 'refused');
      histograms.request_duration_seconds.observe(durationMs / MS_PER_SECOND, route, UNKNOWN_LABEL);
      if (key !== null) counters.key_requests_total.add(1, key, String(status));
      log.write(status >= 500 ? 'warn' : 'info', 'request.end', 'request refused', {
        request_id: id,
        ...traceFields(trace),
        method: label,
        route,
        ...(path !== null && (code === 'unknown_url' || code === 'method_not_allowed') ? { path: shownPath(path) } : {}),
        status,
        outcome: 'refused',
        code,
        duration_ms: rounded(durationMs),
        key,
      });
    },

    admitted(call) {
      const waited = call.journey.queueMs;
      histograms.queue_wait_seconds.observe(waited / MS_PER_SECOND);
      counters.admission_total.add(1, 'admitted', waited > 0 ? 'queued' : 'immediate');
      if (log.enabled('debug')) log.debug('admission', 'request admitted', { request_id: call.id, queue_ms: rounded(waited) });
    },

    rejected(call, reason) {
      counters.admission_total.add(1, 'rejected', reason);
      counters.queue_rejections_total.add(1, reason);
      log.write(call.isLine ? 'debug' : 'info', 'admission', 'request rejected', {
        request_id: call.id,
        model: call.model,
        reason,
        priority: call.priority,
      });
    },

    limited(call, name, limit) {
      counters.limit_rejections_total.add(1, name, limit);
      if (log.enabled('debug')) log.debug('limit', 'request over a limit', { request_id: call.id, key: name, reason: limit });
    },

    cacheEvicted(reason) {
      counters.cache_evictions_total.add(1, reason);
      if (log.enabled('debug')) log.debug('cache', 'an answer is not kept any more', { reason });
    },

    storeChanged(state) {
      if (speaks()) tellStore(log, state);
    },

    storeFailed(trouble) {
      counters.store_errors_total.add(1, trouble);
      if (log.enabled('debug')) log.debug('store', 'the store did not do what it was asked', { reason: trouble });
    },

    storeMissed(what) {
      counters.store_fallback_total.add(1, what);
      if (log.enabled('debug')) log.debug('store', 'decided without the store', { reason: what });
    },

    lineEnded(end, ms) {
      counters.batch_lines_total.add(1, end);
      if (ms !== null) histograms.batch_line_seconds.observe(ms / MS_PER_SECOND);
      if (log.enabled('debug')) log.debug('batch.line', 'a line of a batch has ended', { outcome: end, duration_ms: ms && rounded(ms) });
    },

    batchEnded: (batch) => tellBatchEnd(log, batch),

    batchPaused: (batch, reason) => log.warn('batch.paused', 'a batch does not go on', { batch, reason }),

    batchLeft(model, size, waitedMs) {
      histograms.batch_size.observe(size);
      for (const waited of waitedMs) histograms.batch_window_wait_seconds.observe(waited / MS_PER_SECOND);
      if (!log.enabled('debug')) return;
      log.debug('batch', 'batch left its window', { model, batch_size: size, waited_max_ms: rounded(Math.max(0, ...waitedMs)) });
    },

    windowChanged(model, fromMs, toMs, p95Ms, sloMs) {
      log.info('window', toMs < fromMs ? 'batch window narrowed' : 'batch window widened', {
        model,
        from_ms: rounded(fromMs),
        to_ms: rounded(toMs),
        p95_ms: rounded(p95Ms),
        slo_ms: rounded(sloMs),
      });
    },

    routed(call, worker) {
      counters.routed_requests_total.add(1, worker);
      if (log.enabled('debug')) log.debug('route', 'request routed', { request_id: call.id, worker, attempts: call.attempts.length });
    },

    attemptEnded(call, { worker, verdict, failure, sentAt, lastByteAt }) {
      if (!log.enabled('debug')) return;
      log.debug('attempt', 'worker is done with a request', {
        request_id: call.id,
        worker,
        attempts: call.attempts.length,
        outcome: verdict?.kind,
        reason: verdict?.kind === 'failure' ? verdict.reason : failure,
        duration_ms: sentAt === null || lastByteAt === null ? null : rounded(lastByteAt - sentAt),
      });
    },

    retried(call, reason) {
      counters.retries_total.add(1, labelFrom(reason));
      ledger.retries += 1;
      log.info('retry', 'trying again', {
        request_id: call.id,
        reason,
        worker: call.attempts.at(-1)?.worker,
        attempts: call.attempts.length,
      });
    },

    fellBack(call, to, reason) {
      counters.fallbacks_total.add(1, metrics.modelLabel(call.model), metrics.modelLabel(to), labelFrom(reason));
      log.info('fallback', 'another model answers', { request_id: call.id, model: call.model, fallback: to, reason });
    },

    resumeEnded(call, outcome) {
      counters.resumes_total.add(1, call.model, outcome);
      const isResumed = outcome === 'resumed';
      log.write(isResumed ? 'info' : 'warn', 'resume', isResumed ? 'a stream goes on at another worker' : 'a stream does not go on', {
        request_id: call.id,
        model: call.model,
        outcome,
        worker: call.attempts.at(-1)?.worker,
        attempts: call.attempts.length,
      });
    },

    sessionsEnded(reason, count) {
      counters.sessions_evicted_total.add(count, reason);
      if (log.enabled('debug')) log.debug('session', 'conversations are no longer kept', { reason, sessions: count });
    },

    prefixRouted(call, result, blocks, matched) {
      counters.prefix_calls_total.add(1, result);
      counters.prefix_blocks_total.add(blocks);
      counters.prefix_matched_blocks_total.add(matched);
      if (!log.enabled('debug')) return;
      log.debug('prefix', 'sent by how its prompt begins', { request_id: call.id, reason: result, blocks, matched_blocks: matched });
    },

    breakerChanged(worker, from, to, reason) {
      counters.breaker_transitions_total.add(1, worker, from, to, labelFrom(reason));
      log.write(to === 'open' ? 'warn' : 'info', 'breaker', `breaker ${to.replace('_', ' ')}`, { worker, from, to, reason });
    },

    workerChanged(view, previous) {
      const failure = failures.newIn(view);
      workers.changed(view, previous, failure);
      if (speaks() && (!workersLogElsewhere || log.enabled('debug'))) logWorkerChange(log, view, previous, failure);
    },

    pressureChanged(worker, from, to, kvUsage) {
      if (!speaks()) return;
      log.write(to === 'critical' ? 'warn' : 'info', 'pressure', `KV-cache pressure ${to}`, {
        worker,
        from,
        to,
        kv_usage_ratio: rounded(kvUsage),
      });
    },

    sourceChanged(state) {
      if (speaks()) tellSource(log, state);
    },

    workersFound(changes) {
      if (!speaks()) return;
      for (const change of FINDING_CHANGES) {
        if (changes[change].length > 0) counters.discovery_changes_total.add(changes[change].length, changes.source, change);
      }
      tellFindings(log, changes);
    },

    findingsLeftOut(source, sentences) {
      if (speaks()) tellLeftOut(log, source, sentences);
    },

    canaryChanged(change) {
      counters.canary_decisions_total.add(1, change.result);
      ledger.canaryShare = change.share;
      tellCanary(log, change);
    },

    configReloaded(result) {
      ledger.lastReloadOk = result.ok;
      tellReload(log, result);
    },

    draining(stage, inFlight, durationMs) {
      if (stage === 'end') ledger.shutdownMs = durationMs;
      tellDrain(log, stage, inFlight, durationMs);
    },
  };
  return events;
}

const MAX_PATH_CHARS = 200;

/** A path that a stranger wrote, for a line of log: cut, and of visible ASCII alone. */
function shownPath(path: string): string {
  const shown = path.slice(0, MAX_PATH_CHARS).replace(/[^\x21-\x7e]/g, (char) => encodeURIComponent(char.toWellFormed()));
  return path.length > MAX_PATH_CHARS ? `${shown}…` : shown;
}

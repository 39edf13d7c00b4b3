import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../gateway/core/clock.ts';
import { watchEventLoop } from '../../gateway/telemetry/metrics/event-loop.ts';
import { createEvents } from '../../gateway/telemetry/events/events.ts';
import { renderMetrics } from '../../gateway/telemetry/metrics/exposition.ts';
import { createLog } from '../../gateway/core/log/log.ts';
import { createMetrics } from '../../gateway/telemetry/metrics/metrics.ts';
import { LINT_OF_THE_WINDOW } from '../observability/asked.ts';
import { callOf, directoryOf, idleFigures, MODEL, snapshotOf, viewOf, workerOf } from '../gateway/telemetry/events/scene.ts';

const installed = spawnSync('promtool', ['--version']).status === 0;

function lint(page: string): string {
  const { stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: page, encoding: 'utf8' });
  return stdout + stderr;
}

/** A page with as many series on it as can be had. */
async function fullPage(windowMs: number): Promise<string> {
  const loop = watchEventLoop(systemClock);
  const metrics = createMetrics({ clock: systemClock, loop, version: '0.1.0', nodeVersion: '26.0.0' });
  const gpu = {
    uuid: 'GPU-1',
    name: 'Tesla T4',
    memoryTotalBytes: 2,
    memoryUsedBytes: 1,
    utilization: 0.5,
    temperatureCelsius: 60,
    powerWatts: 50,
  };
  metrics.attach({
    directory: directoryOf([workerOf(viewOf(), { scrapedAt: 0, kvCacheBytes: 1 })]),
    figures: {
      ...idleFigures,
      windowMs: () => new Map([[MODEL, windowMs]]),
      breakers: () => new Map([['w0', { state: 'open', consecutiveFailures: 5, openUntilMs: 1 }]]),
    },
    supervisor: () => snapshotOf({ gpus: [{ ...gpu, index: 0 }] }),
  });
  const log = createLog({ level: 'silent', format: 'json', clock: systemClock, destination: { write() {} } });
  const events = createEvents({ metrics, log, clock: systemClock });
  const failure = { class: 'oom-kv-zero', phase: 'start', message: '', advice: '', at: '' };
  events.requestEnded(
    callOf({ outputTokens: 3, attempts: 1, sentAt: 1, firstByteAt: 2, lastByteAt: 3 }),
    { kind: 'complete', status: 200 },
    200,
  );
  events.admitted(callOf());
  events.rejected(callOf(), 'queue_full');
  events.routed(callOf(), 'w0');
  events.retried(callOf(), 'upstream');
  events.breakerChanged('w0', 'closed', 'open', 'consecutive');
  events.batchLeft(MODEL, 1, [1]);
  events.workerChanged(viewOf({ state: 'backoff', restarts: 1, lastFailure: failure }), viewOf());
  const { body } = await renderMetrics(metrics.registry, undefined);
  loop.stop();
  return body;
}

describe.skipIf(!installed)('promtool check metrics (skipped where promtool is not installed)', () => {
  it('has nothing to say of a full page', async () => {
    expect(lint(await fullPage(0))).toBe('');
  });

  it('objects, where a batch window is on, to the one name that carries its unit in milliseconds like its setting', async () => {
    expect(lint(await fullPage(20))).toBe(`${LINT_OF_THE_WINDOW}\n`);
  });
});

describe('the metrics page', () => {
  it("has the process's own metrics under their usual names", async () => {
    const page = await fullPage(0);
    for (const name of ['process_cpu_seconds_total', 'process_resident_memory_bytes', 'process_open_fds', 'nodejs_eventloop_lag_seconds']) {
      expect(page).toContain(`\n# TYPE ${name} `);
    }
  });

  it('has no number that Prometheus cannot read', async () => {
    const values = (await fullPage(20)).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    for (const line of values) expect(line.slice(line.lastIndexOf(' ') + 1)).toMatch(/^(-?\d+(\.\d+)?(e[-+]?\d+)?|[-+]Inf|NaN)$/);
  });
});

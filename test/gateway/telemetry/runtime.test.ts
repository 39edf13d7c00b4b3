import { afterEach, describe, expect, it } from 'vitest';
import { watchEventLoop } from '../../../gateway/telemetry/metrics/event-loop.ts';
import type { EventLoopMonitor } from '../../../gateway/telemetry/metrics/event-loop.ts';
import { runtimeBody } from '../../../gateway/telemetry/runtime.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { quietLoop } from './events/scene.ts';

const monitors: EventLoopMonitor[] = [];
afterEach(() => monitors.splice(0).forEach((monitor) => monitor.stop()));

/** Lets the sampling timer of the event loop fire, which a fake clock does not rule. */
const turn = () => new Promise((resolve) => setTimeout(resolve, 60));

function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe('the watch on the event loop', () => {
  it('sees a stall, and tells of it until a whole window has passed without one', async () => {
    const clock = createFakeClock();
    const monitor = watchEventLoop(clock, 1000);
    monitors.push(monitor);
    await turn();
    block(1000);
    await turn();
    // The sampling interval of 20 ms may swallow part of it.
    expect(monitor.read().maxMs).toBeGreaterThan(900);
    await clock.advance(1000);
    expect(monitor.read().maxMs).toBeGreaterThan(900);
    await clock.advance(1000);
    expect(monitor.read().maxMs).toBeLessThan(900);
  });

  it('reports nothing before its first sample, and no sampling interval as a delay', () => {
    const monitor = watchEventLoop(createFakeClock());
    monitors.push(monitor);
    expect(monitor.read()).toEqual({ meanMs: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 });
  });

  it('leaves no timer behind', () => {
    const clock = createFakeClock();
    watchEventLoop(clock).stop();
    expect(clock.pending).toBe(0);
  });
});

describe('/debug/runtime', () => {
  it('tells of the process alone', async () => {
    const clock = createFakeClock();
    await clock.advance(90_000);
    const body = runtimeBody({ version: '0.1.0', clock, startedAt: 1000, loop: quietLoop });
    expect(body).toMatchObject({
      version: '0.1.0',
      node: process.versions.node,
      pid: process.pid,
      uptime_seconds: 90,
      event_loop_delay: { mean_ms: 1, p50_ms: 1, p99_ms: 25, max_ms: 40 },
    });
    expect(body.memory.rss_bytes).toBeGreaterThan(1e6);
    expect(body.memory.heap_limit_bytes).toBeGreaterThan(body.memory.heap_used_bytes);
    expect(JSON.parse(JSON.stringify(body))).toEqual(body);
  });
});

import { describe, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import type { SupervisionPolicy } from '../../supervisor/system/policy.ts';
import { superviseHere } from '../supervisor/support/running-supervisor.ts';
import { freePort } from '../support/ports.ts';

const isReady = (view: { state: string }) => view.state === 'ready';

async function superviseSim(env: Readonly<Record<string, string>> = {}, more: SettingsInput = {}, policy: Partial<SupervisionPolicy> = {}) {
  const port = await freePort(21);
  const settings = { ...more, supervisor: { port_range: [port, port + 20] as [number, number] } };
  return superviseHere(settings, { SIM_SPEED: '0.01', SIM_FAULTS: '1', ...env }, undefined, policy);
}

describe('a supervisor and the simulated engine', { timeout: 180_000 }, () => {
  test('without a GPU it is launched by itself, comes up through every stage and says why it was chosen', async () => {
    const supervisor = await superviseSim();
    const view = await supervisor.worker(isReady);
    expect(await supervisor.state()).toMatchObject({
      engine: 'sim',
      engineReason: expect.stringContaining('no NVIDIA GPU'),
      vllmVersion: expect.stringContaining('sim'),
    });
    // The server and its engine core.
    expect(supervisor.processes()).toHaveLength(2);
    const answer = await fetch(`${view.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: view.models[0]!.id, prompt: 'Hello', max_tokens: 3 }),
    });
    expect(await answer.json()).toMatchObject({ model: view.models[0]!.id, usage: { completion_tokens: 3 } });
    supervisor.signal('SIGTERM');
    expect(await supervisor.exitCode).toBe(0);
    expect(supervisor.processes()).toEqual([]);
  });

  test('a model that makes no text is ready when it has made what it is for', async () => {
    const models = [{ id: 'vectors', source: 'somebody/vectors', engine: { runner: 'pooling' } }];
    const supervisor = await superviseSim({}, { models });
    const view = await supervisor.worker(({ state }) => state === 'ready' || state === 'failed');
    expect(view).toMatchObject({ state: 'ready', models: [{ id: 'vectors' }], lastFailure: null });
    expect((await supervisor.state()).models).toMatchObject([{ id: 'vectors', capabilities: ['embeddings'] }]);
  });

  test('an engine core that is orphaned by the death of its server is ended before the next start', async () => {
    const supervisor = await superviseSim();
    const first = await supervisor.worker(isReady);
    const before = supervisor.processes();
    process.kill(first.pid!, 'SIGKILL');
    await supervisor.worker((view) => isReady(view) && view.restarts === 1);
    expect(supervisor.processes().filter((pid) => before.includes(pid))).toEqual([]);
  });

  test('an engine that dies under its server is explained by its log and started again', async () => {
    const supervisor = await superviseSim();
    const first = await supervisor.worker(isReady);
    await fetch(`${first.url}/sim/fault`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ fault: 'engine-death' }),
    });
    void fetch(`${first.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: first.models[0]!.id, prompt: 'Hello', max_tokens: 3 }),
    }).catch(() => null);
    const second = await supervisor.worker((view) => isReady(view) && view.restarts > 0);
    expect(second.lastFailure).toMatchObject({
      phase: 'serving',
      message: expect.stringMatching(/died|was killed|was gone without a word/),
    });
    // Who was killed is known where there was time to get to know its processes.
    expect(['killed', 'engine-death']).toContain(second.lastFailure!.class);
  });

  test('an engine that makes no token any more is found out and started again though nobody asks for one and its health is good', async () => {
    const supervisor = await superviseSim({}, {}, { idleProbeMs: 300, healthIntervalMs: 50, probeIntervalMs: 50 });
    const first = await supervisor.worker(isReady);
    await fetch(`${first.url}/sim/fault`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ fault: 'error-500', count: 1000 }),
    });
    expect((await fetch(`${first.url}/health`)).status).toBe(200);
    const second = await supervisor.worker((view) => isReady(view) && view.restarts > 0);
    expect(second.lastFailure).toMatchObject({ class: 'stalled', message: expect.stringContaining('3 times in a row') });
  });

  test('an engine that keeps dying soon after its start is given up, whichever way each of them ended', async () => {
    const supervisor = await superviseSim({ SIM_FAULT: 'crash-loop' });
    const view = await supervisor.worker(({ state }) => state === 'failed');
    expect(view.lastFailure!.message).toMatch(/^Gave up/);
    expect(['killed', 'engine-death']).toContain(view.lastFailure!.class);
    // At most four crashes while serving, and so many failed starts before each and after the last: more where somebody else kills it.
    expect(view.restarts).toBeLessThanOrEqual(24);
  });
});

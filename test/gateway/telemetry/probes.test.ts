import { describe, expect, it } from 'vitest';
import { liveness, readiness, startup } from '../../../gateway/telemetry/probes.ts';
import type { ProbeFacts } from '../../../gateway/telemetry/probes.ts';
import { directoryOf, MODEL, viewOf, workerOf } from './events/scene.ts';

const ready = workerOf(viewOf());
const loading = workerOf(viewOf({ id: 'w1', state: 'starting', stage: 'cuda_graphs', etaSeconds: 40 }));
const good: ProbeFacts = { directory: directoryOf([ready]), draining: false, settingsLoaded: true, everReady: true };

describe('/livez', () => {
  it('is 200 while the process serves', () => {
    expect(liveness('0.1.0')).toEqual({ status: 200, body: { status: 'ok', version: '0.1.0' } });
  });
});

describe('/readyz', () => {
  it.each<[string, Partial<ProbeFacts>, number, string[]]>([
    ['a ready worker of the default model', {}, 200, []],
    ['one ready and one loading', { directory: directoryOf([loading, ready]) }, 200, []],
    ['no worker at all', { directory: directoryOf([]) }, 503, ['default_model']],
    ['no model at all', { directory: directoryOf([ready], []) }, 503, ['default_model']],
    ['only a loading worker', { directory: directoryOf([loading]) }, 503, ['default_model']],
    ['a ready worker of another model only', { directory: directoryOf([ready], ['the-default', MODEL]) }, 503, ['default_model']],
    [
      'a ready worker of another model, which can be changed to the default',
      { directory: directoryOf([ready], ['the-default', MODEL], { state: 'available', loadable: true }) },
      200,
      [],
    ],
    [
      'no worker that is ready, though the default model could be loaded',
      { directory: directoryOf([loading], ['the-default', MODEL], { state: 'available', loadable: true }) },
      503,
      ['default_model'],
    ],
    ['draining', { draining: true }, 503, ['not_draining']],
    ['settings not loaded', { settingsLoaded: false }, 503, ['settings']],
    [
      'everything at once',
      { settingsLoaded: false, draining: true, directory: directoryOf([]) },
      503,
      ['settings', 'not_draining', 'default_model'],
    ],
  ])('%s', (_, facts, status, failed) => {
    const answer = readiness({ ...good, ...facts }, false);
    expect(answer).toEqual(status === 200 ? { status, body: { status: 'ready' } } : { status, body: { status: 'not_ready', failed } });
    expect(readiness({ ...good, ...facts }, true).status).toBe(status);
  });

  it('lists every check and the stage of each worker when it is asked to', () => {
    expect(readiness({ ...good, draining: true, directory: directoryOf([ready, loading]) }, true)).toEqual({
      status: 503,
      body: {
        status: 'not_ready',
        failed: ['not_draining'],
        checks: { settings: 'ok', not_draining: 'failed', default_model: 'ok' },
        default_model: MODEL,
        workers: [
          {
            id: 'w0',
            state: 'ready',
            stage: 'ready',
            stages: { process: true, model_loaded: true, cuda_graphs: true, warmup: true, ready: true },
            eta_seconds: null,
          },
          {
            id: 'w1',
            state: 'starting',
            stage: 'cuda_graphs',
            stages: { process: true, model_loaded: true, cuda_graphs: true, warmup: false, ready: false },
            eta_seconds: 40,
          },
        ],
      },
    });
  });

  it('shows no stage of a worker that has reached none', () => {
    const idle = workerOf(viewOf({ state: 'idle', stage: null }));
    const { body } = readiness({ ...good, directory: directoryOf([idle]) }, true);
    expect(body).toMatchObject({ workers: [{ stage: null, stages: { process: false, ready: false } }] });
  });
});

describe('/startupz', () => {
  it.each([
    [false, false, 503, { status: 'starting', failed: ['settings', 'first_worker'] }],
    [true, false, 503, { status: 'starting', failed: ['first_worker'] }],
    [true, true, 200, { status: 'started' }],
  ] as const)('settings loaded: %s, a worker once ready: %s', (settingsLoaded, everReady, status, body) => {
    expect(startup({ settingsLoaded, everReady })).toEqual({ status, body });
  });
});

import { describe, expect, test } from 'vitest';
import { diffSettings, doubtful, settingsAfterReload } from '../../../gateway/config/reload.ts';
import { load } from './loading.ts';

function diff(before: string, after: string) {
  return diffSettings(load({ file: before }).settings, load({ file: after }).settings);
}

describe('what a reload brings', () => {
  test('nothing, when nothing differs', () => {
    expect(diff('server: { port: 8080 }', '# the same\n')).toEqual({ changed: [], needsRestart: [] });
  });

  test.each([
    ['batch_window: { window_ms: 20 }', 'batch_window.window_ms'],
    ['batch_window: { guardrail: { enabled: false } }', 'batch_window.guardrail.enabled'],
    ['admission: { max_queue: 1 }', 'admission.max_queue'],
    ['pressure: { warn_kv_usage: 0.5 }', 'pressure.warn_kv_usage'],
    ['circuit_breaker: { failures: 1 }', 'circuit_breaker.failures'],
    ['load_balancer: { policy: round_robin }', 'load_balancer.policy'],
    ['retry: { max_attempts: 1 }', 'retry.max_attempts'],
    ['timeouts: { connect_ms: 1 }', 'timeouts.connect_ms'],
    ['stream: { keep_alive_ms: 1 }', 'stream.keep_alive_ms'],
    ['resume: { enabled: true }', 'resume.enabled'],
    ['shutdown: { grace_ms: 1 }', 'shutdown.grace_ms'],
    ['log: { level: debug }', 'log.level'],
    ['server: { max_body_bytes: 1 }', 'server.max_body_bytes'],
    ['server: { upload_timeout_ms: 1 }', 'server.upload_timeout_ms'],
    ['admin: { key: sixteen-visibles }', 'admin.key'],
    ['auth: { allow_anonymous: true }', 'auth.allow_anonymous'],
    ['files: { max_total_bytes: 1000000000 }', 'files.max_total_bytes'],
    ['batches: { share: 0.5 }', 'batches.share'],
  ])('%s holds at once', (file, path) => {
    expect(diff('', file)).toEqual({ changed: [path], needsRestart: [] });
  });

  test.each([
    ['server: { host: localhost }', 'server.host'],
    ['batches: { enabled: false }', 'batches.enabled'],
    ['server: { port: 1 }', 'server.port'],
    ['server: { header_timeout_ms: 1 }', 'server.header_timeout_ms'],
    ['admin: { host: localhost }', 'admin.host'],
    ['admin: { port: 1 }', 'admin.port'],
    ['server: { probe_port: 1 }', 'server.probe_port'],
    ['supervisor: { tuning: safe }', 'supervisor.tuning'],
    ['supervisor: { enabled: false }', 'supervisor.enabled'],
    ['models: [a]', 'models'],
    ['log: { format: pretty }', 'log.format'],
    ['log: { keep_mb: 0 }', 'log.keep_mb'],
    ['files: { dir: /srv/files }', 'files.dir'],
    ['telemetry: { sample_ratio: 1 }', 'telemetry.sample_ratio'],
  ])('%s needs a restart', (file, path) => {
    expect(diff('', file)).toEqual({ changed: [path], needsRestart: [path] });
  });

  test.each([
    ['models: [a, { id: chat, pool: [a] }]', ['models']],
    ['models: [{ id: chat, pool: [a] }, a]', ['models']],
    ['models: [{ id: a, fallback: [b] }, b]', ['models[0].fallback']],
    ['models: [{ id: chat, pool: [a], fallback: [b] }, a, b]', ['models[0].pool', 'models[0].fallback']],
  ])('pools and fallbacks come and go at once, with a supervisor too: %s', (file, changed) => {
    const before = file.includes('fallback')
      ? file.includes('pool')
        ? 'models: [{ id: chat, pool: [a, b] }, a, b]'
        : 'models: [a, b]'
      : 'models: [a]';
    expect(diff(before, file)).toEqual({ changed, needsRestart: [] });
    const after = load({ file }).settings;
    expect(settingsAfterReload(load({ file: before }).settings, after).models).toEqual(after.models);
  });

  test('lists several in the order of the schema', () => {
    expect(diff('', 'log: { level: debug }\nserver: { port: 1, max_body_bytes: 5 }')).toEqual({
      changed: ['server.port', 'server.max_body_bytes', 'log.level'],
      needsRestart: ['server.port'],
    });
  });
});

describe('models in a reload', () => {
  test.each(['swap: { dwell_ms: 1000 }', 'swap: { strategy: sleep }', 'engine: { max_num_seqs: 8 }', 'source: other/a'])(
    'need a restart for %s',
    (more) => {
      expect(diff('models: [{ id: a }]', `models: [{ id: a, ${more} }]`)).toEqual({ changed: ['models'], needsRestart: ['models'] });
    },
  );

  test('come and go live in front of external workers, where nothing is launched for them', () => {
    const workers = 'workers: [{ url: "http://127.0.0.1:8000" }]';
    expect(diff(workers, `${workers}\nmodels: [{ id: a, aliases: [x] }]`)).toEqual({ changed: ['models'], needsRestart: [] });
  });

  test('take new aliases at once', () => {
    expect(diff('models: [a, { id: b, aliases: [x] }]', 'models: [a, { id: b, aliases: [x, y] }]')).toEqual({
      changed: ['models[1].aliases'],
      needsRestart: [],
    });
  });

  test('take at once whether their streams go on', () => {
    expect(diff('models: [a, { id: b, aliases: [x] }]', 'models: [a, { id: b, aliases: [x], resume: true }]')).toEqual({
      changed: ['models[1].resume'],
      needsRestart: [],
    });
  });

  test.each([
    ['another model', 'models: [a]', 'models: [b]'],
    ['another default', 'models: [a, b]', 'models: [b, a]'],
    ['another engine flag', 'models: [{ id: a, engine: { x: 1 } }]', 'models: [{ id: a, engine: { x: 2 } }]'],
    ['another source', 'models: [a]', 'models: [{ id: a, source: b }]'],
  ])('need a restart for %s', (_, before, after) => {
    expect(diff(before, after)).toEqual({ changed: ['models'], needsRestart: ['models'] });
  });
});

describe('workers in a reload', () => {
  test('come and go at once while any is listed', () => {
    const one = 'workers: [{ url: "http://a:1" }]';
    const two = 'workers: [{ url: "http://a:1" }, { url: "http://b:1" }]';
    expect(diff(one, two)).toEqual({ changed: ['workers'], needsRestart: [] });
    expect(diff(two, one)).toEqual({ changed: ['workers'], needsRestart: [] });
  });

  test('need a restart when the first one takes the place of the supervisor', () => {
    const one = 'workers: [{ url: "http://a:1" }]';
    expect(diff('', one)).toEqual({ changed: ['workers'], needsRestart: ['workers'] });
    expect(diff(one, '')).toEqual({ changed: ['workers'], needsRestart: ['workers'] });
    const off = 'supervisor: { enabled: false }\n';
    expect(diff(off, off + one)).toEqual({ changed: ['workers'], needsRestart: [] });
  });
});

describe('the settings after a reload', () => {
  test('are new where they change live and old where they need a restart', () => {
    const old = load({ file: 'models: [{ id: a, aliases: [x] }]' }).settings;
    const next = load({
      file: 'server: { port: 1, max_body_bytes: 5 }\nsupervisor: { tuning: safe }\nlog: { level: debug, format: pretty }\nmodels: [{ id: a, aliases: [y] }]',
    }).settings;
    const after = settingsAfterReload(old, next);
    expect(after.server).toEqual({ ...old.server, max_body_bytes: 5 });
    expect(after.supervisor).toEqual(old.supervisor);
    expect(after.log).toEqual({ level: 'debug', format: 'auto', keep_mb: 64 });
    expect(after.models).toEqual(next.models);
  });

  test('keep the old models when other models need a restart', () => {
    const old = load({ file: 'models: [{ id: a, aliases: [x] }, b]' }).settings;
    const next = load({ file: 'models: [{ id: b, aliases: [x] }]' }).settings;
    expect(settingsAfterReload(old, next).models).toEqual(old.models);
  });

  test('differ from those loaded in exactly what needs a restart', () => {
    const old = load({}).settings;
    const next = load({
      file: 'server: { port: 1 }\nworkers: [{ url: "http://a:1" }]\nretry: { max_attempts: 1 }\nsupervisor: { replicas: 2 }',
    }).settings;
    const after = settingsAfterReload(old, next);
    expect(diffSettings(after, next).changed).toEqual(diffSettings(old, next).needsRestart);
  });
});

describe('a file that is read anew is doubted', () => {
  test.each([
    ['when it is gone', undefined, /headgate\.yaml is not there any more/],
    ['when it is empty', '', /sets nothing any more/],
    ['when all of it is a comment', '# admin: { key: sixteen-visibles }\n', /sets nothing any more/],
  ])('%s', (_, file, reason) => {
    expect(doubtful(load({ file: 'admin: { key: sixteen-visibles }' }), load(file === undefined ? {} : { file }))).toMatch(reason);
  });

  test.each([
    ['not when it sets something else', 'admin: { key: sixteen-visibles }', 'batch_window: { window_ms: 20 }'],
    ['nor when it has set nothing before', '', ''],
    ['nor when there was none', undefined, 'admin: { key: sixteen-visibles }'],
  ])('%s', (_, before, after) => {
    expect(doubtful(load(before === undefined ? {} : { file: before }), load({ file: after }))).toBeNull();
  });
});

import { describe, expect, test } from 'vitest';
import { load, problemsOf } from '../loading.ts';

describe('opening the API to the network', () => {
  const refusal = (where: string, host: string) =>
    `${where}: listening on ${host} lets anyone who can reach it use the API: set keys (auth.keys; "headgate key new NAME" makes one), or auth.allow_anonymous: true if that is meant, or server.host: 127.0.0.1`;

  test('is refused without keys, at the layer that did it', () => {
    expect(problemsOf({ file: 'server:\n  host: 0.0.0.0\n' })).toEqual([refusal('headgate.yaml:2:9: server.host', '0.0.0.0')]);
    expect(problemsOf({ env: { HEADGATE_SERVER__HOST: '::' } })).toEqual([refusal('environment HEADGATE_SERVER__HOST', '::')]);
    expect(problemsOf({ argv: ['--host', '10.0.0.1'] })).toEqual([refusal('flag --host', '10.0.0.1')]);
    expect(problemsOf({ file: 'auth: { allow_anonymous: false }', argv: ['--host', '10.0.0.1'] })).toHaveLength(1);
  });

  test('is allowed when it is asked for', () => {
    expect(problemsOf({ file: 'server: { host: 0.0.0.0 }\nauth: { allow_anonymous: true }' })).toEqual([]);
  });

  test.each(['127.0.0.1', '127.1.2.3', '::1', 'localhost'])('is not what listening on %s does', (host) => {
    expect(problemsOf({ argv: ['--host', host] })).toEqual([]);
  });

  test('and closing it to everyone is refused as well', () => {
    expect(problemsOf({ file: 'auth: { allow_anonymous: false }' })).toEqual([
      'headgate.yaml:1:26: auth.allow_anonymous: allow_anonymous: false without keys would refuse every request: set it to null (anonymous on loopback only) or true',
    ]);
  });
});

describe('settings that contradict each other', () => {
  test.each([
    ['admin: { port: 8080 }', 'headgate.yaml:1:16: admin.port: admin.port and server.port are both 8080'],
    ['server: { probe_port: 8080 }', 'headgate.yaml:1:23: server.probe_port: server.probe_port and server.port are both 8080'],
    ['admin: { port: 9 }\nserver: { probe_port: 9 }', 'headgate.yaml:2:23: server.probe_port: server.probe_port and admin.port are both 9'],
    ['server: { probe_port: 18001 }', 'headgate.yaml:1:23: server.probe_port: server.probe_port 18001 lies in supervisor.port_range'],
    [
      'pressure: { warn_kv_usage: 0.97 }',
      'headgate.yaml:1:28: pressure.warn_kv_usage: warn_kv_usage (0.97) must be below critical_kv_usage (0.95)',
    ],
    [
      'pressure: { critical_kv_usage: 0.85 }',
      'headgate.yaml:1:32: pressure.critical_kv_usage: warn_kv_usage (0.85) must be below critical_kv_usage (0.85)',
    ],
    ['supervisor: { port_range: [9, 9] }', 'headgate.yaml:1:27: supervisor.port_range: the first port must be below the last; got [9, 9]'],
    [
      'supervisor: { port_range: [9, 10], replicas: 3 }',
      'headgate.yaml:1:27: supervisor.port_range: port_range has 2 ports, too few for 3 replicas',
    ],
    ['server: { port: 18050 }', 'headgate.yaml:1:17: server.port: server.port 18050 lies in supervisor.port_range [18000, 18099]'],
    ['supervisor: { port_range: [8000, 9000] }', 'headgate.yaml:1:27: supervisor.port_range: server.port 8080 lies in'],
    ['workers: [{ url: "http://a:1" }, { url: "http://A:1/" }]', 'headgate.yaml:1:41: workers[1].url: http://a:1 is workers[0] already'],
    ['workers: [{ url: "http://localhost:8080" }]', 'headgate.yaml:1:18: workers[0].url: http://localhost:8080 is the gateway itself'],
    [
      'workers: [{ kubernetes: { service: a } }, { kubernetes: { service: a } }]',
      'headgate.yaml:1:57: workers[1].kubernetes: the same as workers[0].kubernetes',
    ],
    ['workers: [{ dns: "a:1" }, { dns: "a:1" }]', 'headgate.yaml:1:34: workers[1].dns: the same as workers[0].dns'],
    [
      'models: [a, { id: chat, pool: [a, qwen-b] }]',
      'headgate.yaml:1:35: models[1].pool[1]: qwen-b is no model of models or of a worker; there is a, chat',
    ],
    [
      'workers: [{ url: http://w:1, models: [a] }]\nmodels: [{ id: chat, pool: [a], fallback: [aa] }]',
      'headgate.yaml:2:44: models[0].fallback[0]: aa is no model of models or of a worker; did you mean a?',
    ],
    ['models: [a, a]', 'headgate.yaml:1:13: models[1].id: a is listed twice'],
    ['models: [a, { id: b, aliases: [a] }]', 'headgate.yaml:1:32: models[1].aliases[0]: a is the id of models[0] already'],
    [
      'models: [{ id: a, aliases: [x] }, { id: b, aliases: [y, x] }]',
      'headgate.yaml:1:57: models[1].aliases[1]: x is an alias of models[0] already',
    ],
    ['models: [{ id: a, aliases: [a] }]', 'headgate.yaml:1:29: models[0].aliases[0]: a is the id of models[0] already'],
  ])('%s', (file, expected) => {
    const problems = problemsOf({ file });
    expect(problems).toHaveLength(1);
    expect(problems[0]!.startsWith(expected)).toBe(true);
  });

  test.each([
    ['port 0 twice, which is two free ports', 'server: { port: 0 }\nadmin: { port: 0 }'],
    ["a port among the workers' while no worker is launched", 'server: { port: 18050 }\nsupervisor: { enabled: false }'],
    ['a worker on the same port of another machine', 'workers: [{ url: "http://10.0.0.5:8080" }]'],
    ['as many replicas as ports', 'supervisor: { port_range: [9, 10], replicas: 2 }'],
  ])('%s is fine', (_, file) => {
    expect(problemsOf({ file })).toEqual([]);
  });

  test('across layers are told at the one that was set', () => {
    expect(problemsOf({ env: { HEADGATE_PRESSURE__CRITICAL_KV_USAGE: '0.5' } })).toEqual([
      'environment HEADGATE_PRESSURE__CRITICAL_KV_USAGE: warn_kv_usage (0.85) must be below critical_kv_usage (0.5)',
    ]);
  });

  test('are told together with values that are wrong by themselves, but never about those', () => {
    const problems = problemsOf({ file: 'pressure: { warn_kv_usage: 0.96, critical_kv_usage: x }\nadmin: { port: 8080 }' });
    expect(problems).toEqual([
      'headgate.yaml:1:53: pressure.critical_kv_usage: expected a number from 0 to 1; got "x"',
      expect.stringContaining('headgate.yaml:2:16: admin.port: '),
    ]);
  });
});

describe('settings that do nothing', () => {
  test('are warned of', () => {
    expect(load({ file: 'timeouts: { idle_ms: 400000 }\nadmin: { host: "::1" }' }).warnings).toEqual([
      'headgate.yaml:1:22: timeouts.idle_ms: idle_ms (400000) is never reached: stream_total_ms (300000) ends the request before',
      'headgate.yaml:2:16: admin.host: admin.host has no effect while admin.port is null',
    ]);
  });

  test('are warned of where conversations are not kept', () => {
    const file = 'sessions: { idle_ms: 1000, from: [user] }';
    expect(load({ file }).warnings).toEqual([
      'headgate.yaml:1:22: sessions.idle_ms: has no effect while load_balancer.affinity is none: set that to session',
      'headgate.yaml:1:34: sessions.from: has no effect while load_balancer.affinity is none: set that to session',
    ]);
    expect(load({ file: `${file}\nload_balancer: { affinity: session }` }).warnings).toEqual([]);
  });

  test('are warned of where one size leaves another no room', () => {
    expect(load({ file: 'files: { max_file_bytes: 1000, batch_max_file_bytes: 1001, max_total_bytes: 999 }' }).warnings).toEqual([
      'headgate.yaml:1:54: files.batch_max_file_bytes: batch_max_file_bytes (1001) is never reached: max_file_bytes (1000) is for every file',
      'headgate.yaml:1:77: files.max_total_bytes: max_total_bytes (999) is less than one file may have: max_file_bytes (1000)',
    ]);
    // Nobody set what the default of the other overtook.
    expect(load({ file: 'files: { max_file_bytes: 1000 }' }).warnings).toEqual([]);
  });

  test.each([
    ['headers: { a: b }', '1:23: telemetry.headers'],
    ['service_name: x', '1:28: telemetry.service_name'],
    ['sample_ratio: 0.5', '1:28: telemetry.sample_ratio'],
    ['slow_ms: 1', '1:23: telemetry.slow_ms'],
  ])('are warned of where nothing is traced: %s', (setting, where) => {
    expect(load({ file: `telemetry: { ${setting} }` }).warnings).toEqual([
      `headgate.yaml:${where}: has no effect without telemetry.otlp_endpoint: a traceparent that comes in is passed on to the worker, and that is all`,
    ]);
    expect(load({ file: `telemetry: { otlp_endpoint: http://127.0.0.1:4318, ${setting} }` }).warnings).toEqual([]);
    expect(load({ file: 'telemetry: { otlp_endpoint: null, sample_ratio: 0.03, slow_ms: 10000, trust_incoming: true }' }).warnings).toEqual(
      [],
    );
  });

  test('are not, when they are defaults that another setting overtook', () => {
    expect(load({ file: 'timeouts: { stream_total_ms: 1000 }' }).warnings).toEqual([]);
  });
});

import { describe, expect, test } from 'vitest';
import { variableName } from '../../../../gateway/config/layers/environment-layer.ts';
import { SETTINGS } from '../../../../gateway/config/schema/form.ts';
import { load, problemsOf } from '../loading.ts';

describe('the environment as a layer', () => {
  test('beats the file, key by key', () => {
    const { settings, origins } = load({
      file: 'batch_window:\n  window_ms: 50\n  max_batch_size: 4\n  guardrail: { p95_slo_ms: 1, enabled: true }\n',
      env: { HEADGATE_BATCH_WINDOW__WINDOW_MS: '20', HEADGATE_BATCH_WINDOW__GUARDRAIL__ENABLED: 'false' },
    });
    expect(settings.batch_window).toEqual({ window_ms: 20, max_batch_size: 4, guardrail: { p95_slo_ms: 1, enabled: false } });
    expect(origins.get('batch_window.window_ms')).toEqual({ kind: 'environment', name: 'HEADGATE_BATCH_WINDOW__WINDOW_MS' });
    expect(origins.get('batch_window.max_batch_size')).toMatchObject({ kind: 'file', line: 3, column: 19 });
    expect(origins.get('batch_window.guardrail.p95_slo_ms')).toMatchObject({ kind: 'file', line: 4 });
  });

  test.each([
    ['HEADGATE_ADMIN__KEY', '12345678901234567890', ['admin', 'key'], '12345678901234567890'],
    ['HEADGATE_ADMIN__KEY', 'a#b:c-and-so-on-and-on', ['admin', 'key'], 'a#b:c-and-so-on-and-on'],
    ['HEADGATE_ADMIN__KEY', '[true,false,null]', ['admin', 'key'], '[true,false,null]'],
    ['HEADGATE_ADMIN__KEY', 'null', ['admin', 'key'], null],
    ['HEADGATE_ADMIN__PORT', '9000', ['admin', 'port'], 9000],
    ['HEADGATE_ADMIN__PORT', 'null', ['admin', 'port'], null],
    ['HEADGATE_SUPERVISOR__ENABLED', 'false', ['supervisor', 'enabled'], false],
    ['HEADGATE_SUPERVISOR__ENABLED', 'auto', ['supervisor', 'enabled'], 'auto'],
    ['HEADGATE_SUPERVISOR__VLLM_COMMAND', '["/opt/vllm", "serve"]', ['supervisor', 'vllm_command'], ['/opt/vllm', 'serve']],
    ['HEADGATE_SUPERVISOR__PORT_RANGE', '[1, 9]', ['supervisor', 'port_range'], [1, 9]],
    ['HEADGATE_ADMISSION__REJECT_STATUS', '429', ['admission', 'reject_status'], 429],
    ['HEADGATE_PRESSURE__WARN_KV_USAGE', '.5', ['pressure', 'warn_kv_usage'], 0.5],
    ['HEADGATE_SERVER__PORT', '', ['server', 'port'], 8080],
  ])('%s=%s is typed by the schema', (name, text, [section, key], expected) => {
    const settings = load({ env: { [name]: text } }).settings as unknown as Record<string, Record<string, unknown>>;
    expect(settings[section!]![key!]).toEqual(expected);
  });

  test('holds lists whole, as YAML or JSON', () => {
    const env = { HEADGATE_WORKERS: '[{"url":"http://a:1","api_key":"k"},{"url":"http://b:1"}]', HEADGATE_MODELS: '[a, b]' };
    const { settings, origins } = load({ file: 'workers: [{ url: "http://z:1" }]\nmodels: [z]', env });
    expect(settings.workers.map(({ url }) => url)).toEqual(['http://a:1', 'http://b:1']);
    expect(settings.models.map(({ id }) => id)).toEqual(['a', 'b']);
    expect(origins.get('workers[1].url')).toEqual({ kind: 'environment', name: 'HEADGATE_WORKERS' });
  });

  test('has a variable for every setting', () => {
    const names = SETTINGS.root.leaves().map(({ path }) => variableName(path));
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain('HEADGATE_BATCH_WINDOW__GUARDRAIL__P95_SLO_MS');
    for (const name of names) expect(problemsOf({ env: { [name]: '\0' } })).toHaveLength(1);
  });
});

describe('variables that are wrong', () => {
  test('are all named, in order, with the nearest right name', () => {
    const env = {
      HEADGATE_SERVER__PRT: '1',
      HEADGATE_SERVR__PORT: '1',
      HEADGATE_SERVER__PORT: 'abc',
      HEADGATE_WORKERS__0__URL: 'http://a',
      HEADGATE_LOG: 'debug',
      HEADGATE_BATCH_WINDOW__GUARDRAIL: 'false',
      HEADGATE_QQQ__XXXXXXXXXX: '1',
      HEADGATE_SERVER__port: '1',
      HEADGATE_ADMIN__KEY: 'hunter 2',
    };
    expect(problemsOf({ env })).toEqual([
      'environment HEADGATE_ADMIN__KEY: expected 16 to 512 visible ASCII characters, without spaces; openssl rand -hex 32 makes a good one',
      'environment HEADGATE_BATCH_WINDOW__GUARDRAIL: is a group of settings; set one of HEADGATE_BATCH_WINDOW__GUARDRAIL__P95_SLO_MS, HEADGATE_BATCH_WINDOW__GUARDRAIL__ENABLED',
      'environment HEADGATE_LOG: is a group of settings; set one of HEADGATE_LOG__LEVEL, HEADGATE_LOG__FORMAT, HEADGATE_LOG__KEEP_MB',
      'environment HEADGATE_QQQ__XXXXXXXXXX: no such setting; headgate explain lists them all',
      'environment HEADGATE_SERVER__PORT: expected a whole number from 0 to 65535; got "abc"',
      'environment HEADGATE_SERVER__PRT: no such setting; did you mean HEADGATE_SERVER__PORT?',
      'environment HEADGATE_SERVER__port: no such setting; did you mean HEADGATE_SERVER__PORT?',
      'environment HEADGATE_SERVR__PORT: no such setting; did you mean HEADGATE_SERVER__PORT?',
      "environment HEADGATE_WORKERS__0__URL: HEADGATE_WORKERS is set as a whole, as a list: [{url: 'http://10.0.0.5:8000'}]",
    ]);
  });

  test('inside a list name the entry', () => {
    expect(problemsOf({ env: { HEADGATE_WORKERS: '[{url: "http://a:1", max_num_seqs: 0}]' } })).toEqual([
      'environment HEADGATE_WORKERS: workers[0].max_num_seqs: expected a whole number from 1 to 65536; got 0',
    ]);
  });

  test('do not hide what is wrong in the file below them', () => {
    expect(problemsOf({ file: 'server: { port: x }', env: { HEADGATE_SERVER__PORT: '9000' } })).toHaveLength(1);
  });

  test('that bomb with aliases are only wrong', () => {
    const bomb = '[&a [x,x,x,x,x,x,x,x,x], &b [*a,*a,*a,*a,*a,*a,*a,*a,*a], &c [*b,*b,*b,*b,*b,*b,*b,*b,*b], [*c,*c,*c,*c,*c,*c,*c,*c,*c]]';
    expect(problemsOf({ env: { HEADGATE_MODELS: bomb } })).toHaveLength(1);
  });
});

describe('variables that are no settings', () => {
  test('are left alone, such as those Kubernetes makes for a service called headgate', () => {
    const env = {
      HEADGATE_PORT: 'tcp://10.0.0.1:8080',
      HEADGATE_SERVICE_HOST: '10.0.0.1',
      HEADGATE_PORT_8080_TCP_ADDR: '10.0.0.1',
      HEADGATE_SERVER_PORT: 'tcp://10.0.0.1:8080',
      PATH: '/bin',
    };
    expect(load({ env }).warnings).toEqual([]);
  });

  test('but lack only an underscore are warned of', () => {
    expect(load({ env: { HEADGATE_SERVER_PORT: '9000' } }).warnings).toEqual([
      'environment HEADGATE_SERVER_PORT: is no setting; did you mean HEADGATE_SERVER__PORT?',
    ]);
  });

  test.each([
    ['HEADGATE_PORT', '9000', 'HEADGATE_SERVER__PORT'],
    ['HEADGATE_HOST', '0.0.0.0', 'HEADGATE_SERVER__HOST'],
    ['HEADGATE_MODEL', 'qwen', 'HEADGATE_MODELS'],
    ['HEADGATE_WINDOW_MS', '20', 'HEADGATE_BATCH_WINDOW__WINDOW_MS'],
    ['HEADGATE_ENGINE', 'sim', 'HEADGATE_SUPERVISOR__ENGINE'],
  ])('but have the name of a flag are warned of: %s', (name, text, meant) => {
    expect(load({ env: { [name]: text } }).warnings).toEqual([`environment ${name}: is no setting; did you mean ${meant}?`]);
  });
});

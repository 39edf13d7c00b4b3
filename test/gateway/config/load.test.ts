import { describe, expect, test } from 'vitest';
import { parseSettingsFlags } from '../../../gateway/config/layers/flags.ts';
import { loadSettings, salvageSettings } from '../../../gateway/config/load.ts';
import { SettingsError } from '../../../gateway/config/schema/problems.ts';
import { defaultSettings } from '../../../gateway/config/schema/settings.ts';
import { inputOf, load, problemsOf } from './loading.ts';

describe('finding the file', () => {
  test('without one the defaults hold', () => {
    expect(load({})).toEqual({ settings: defaultSettings(), keys: [], origins: new Map(), file: null, warnings: [] });
  });

  test('./headgate.yaml is read when it is there', () => {
    expect(load({ file: 'server: { port: 9 }' })).toMatchObject({ file: 'headgate.yaml', settings: { server: { port: 9 } } });
  });

  test('--config names another, from the folder the command runs in', () => {
    const seen: string[] = [];
    const parsed = parseSettingsFlags(['--config', 'conf/a.yaml']);
    if (parsed.kind !== 'flags') throw new Error('usage');
    const readFile = (path: string) => {
      seen.push(path);
      return Buffer.from('server: { prot: 1 }');
    };
    expect(() => loadSettings({ ...inputOf({}), flags: parsed.flags, readFile })).toThrow(
      'conf/a.yaml:1:11: server.prot: unknown key; did you mean port?',
    );
    expect(seen).toEqual(['/srv/conf/a.yaml']);
  });

  test.each([
    [['headgate.yml'], {}, [], 'headgate.yml', []],
    [['headgate.yaml', 'headgate.yml'], {}, [], 'headgate.yaml', ['headgate.yml is not read, because there is headgate.yaml too']],
    [['headgate.yaml', 'prod.yaml'], { HEADGATE_CONFIG: 'prod.yaml' }, [], 'prod.yaml', []],
    [['prod.yaml', 'test.yaml'], { HEADGATE_CONFIG: 'prod.yaml' }, ['--config', 'test.yaml'], 'test.yaml', []],
    [['headgate.yaml'], { HEADGATE_CONFIG: '' }, [], 'headgate.yaml', []],
  ])('of %j with %j and flags %j, %s is read', (files, env, argv, file, warnings) => {
    const readFile = (path: string) => (files.includes(path.replace('/srv/', '')) ? Buffer.from('server: { port: 9000 }') : null);
    expect(loadSettings({ ...inputOf({ env, argv }), readFile })).toMatchObject({ file, warnings, settings: { server: { port: 9000 } } });
  });

  test('HEADGATE_CONFIG with a file that is not there is a problem', () => {
    expect(problemsOf({ env: { HEADGATE_CONFIG: 'other.yaml' } })).toEqual(['environment HEADGATE_CONFIG: there is no file other.yaml']);
  });

  test('--config with a file that is not there is a problem', () => {
    expect(problemsOf({ file: '', argv: ['--config', 'nope.yaml'] })).toEqual(['flag --config: there is no file nope.yaml']);
  });

  test('a file that cannot be read is a problem, told together with those of other layers', () => {
    const readFile = () => {
      throw new Error('EACCES: permission denied');
    };
    expect(() => loadSettings({ ...inputOf({ env: { HEADGATE_LOG__LEVEL: 'loud' } }), readFile })).toThrow(
      /^headgate\.yaml: cannot be read: EACCES: permission denied\nenvironment HEADGATE_LOG__LEVEL: expected trace/,
    );
  });
});

describe('text that is hardly a settings file', () => {
  test.each([
    ['is empty', ''],
    ['is white space', ' \n\n'],
    ['is only comments', '# nothing\n'],
    ['is a lone ---', '---\n'],
    ['is null', 'null'],
    ['begins with a byte order mark', '\uFEFFserver: { port: 8080 }'],
    ['has groups and lists with nothing in them', 'server:\nbatch_window:\n  guardrail:\nworkers:\nmodels:\n'],
    ['has Windows line ends', 'server:\r\n  port: 8080\r\n'],
  ])('loads as the defaults when it %s', (_, file) => {
    expect(load({ file }).settings).toEqual(defaultSettings());
  });

  test.each([
    ['two documents', 'a: 1\n---\nb: 2', /^headgate\.yaml:2:1: a settings file holds one document; take out the second ---$/],
    ['an unknown tag', 'server:\n  port: !port 80', /^headgate\.yaml:2:9: what begins with ! is a tag in YAML/],
    ['a tag of another language', 'server: !!python/object:os.system x', /^headgate\.yaml:1:9: what begins with ! is a tag in YAML/],
    ['tabs', 'server:\n\tport: 80', /^headgate\.yaml:2:1: not valid YAML: Tabs/],
    ['an open quote', 'server: { host: "a', /^headgate\.yaml:1:\d+: not valid YAML: Missing closing "quote$/],
    ['a list', '- server', /^headgate\.yaml:1:1: expected groups of settings/],
    ['a word', 'server', /^headgate\.yaml:1:1: expected groups of settings/],
    ['deep flow nesting', '['.repeat(50_000), /^headgate\.yaml:1:\d+: nested too deeply$/],
    ['nesting within what YAML takes', `server: ${'{ a: '.repeat(80)}1${' }'.repeat(80)}`, /^headgate\.yaml:1:1: nested deeper than 64$/],
    ['an alias of itself', 'server: &a [*a]', /^headgate\.yaml:1:1: nested deeper than 64$/],
    ['an alias of nothing', 'server: *a', /^headgate\.yaml:1:9: .*alias/],
    ['a list for a key', '? [a]\n: 1', /^headgate\.yaml:1:3: not valid YAML: /],
    ['the key __proto__', '__proto__: { port: 1 }', /^headgate\.yaml:1:1: __proto__: is not the name of a setting$/],
    ['the key constructor', 'constructor: { port: 1 }', /^headgate\.yaml:1:1: constructor: unknown key; known here: server, admin/],
    [
      'a merge key',
      'server: &s { port: 1 }\nadmin: { <<: *s }',
      /^headgate\.yaml:2:10: admin\.<<: unknown key; known here: host, port, key$/,
    ],
  ])('%s is told at its place', (_, file, expected) => {
    expect(problemsOf({ file })[0]).toMatch(expected);
  });

  test('aliases that stand for billions of values are refused at once', () => {
    const rows = ['a: &a [x, x, x, x, x, x, x, x, x, x]'];
    for (const [above, here] of ['ab', 'bc', 'cd', 'de', 'ef', 'fg', 'gh', 'hi'])
      rows.push(`${here}: &${here} [${Array(10).fill(`*${above}`).join(', ')}]`);
    expect(problemsOf({ file: rows.join('\n') })).toEqual(['headgate.yaml:1:1: more than 20000 values, aliases (*name) written out']);
  });

  test('aliases used as meant are written out', () => {
    const { settings } = load({ file: 'workers:\n  - { url: "http://a:1", models: &m [x, y] }\n  - { url: "http://b:1", models: *m }\n' });
    expect(settings.workers[1]!.models).toEqual(['x', 'y']);
  });

  test('more than 1 MiB is refused', () => {
    expect(problemsOf({ file: `#${'x'.repeat(1024 * 1024 - 1)}` })).toEqual([]);
    expect(problemsOf({ file: `#${'x'.repeat(1024 * 1024)}` })).toEqual(['headgate.yaml: is larger than 1 MiB, which no settings file is']);
  });

  test('bytes that are not UTF-8 are refused', () => {
    const readFile = () => Buffer.from([0x61, 0xff, 0xfe]);
    expect(() => loadSettings({ ...inputOf({}), readFile })).toThrow('headgate.yaml: is not UTF-8 text');
  });

  test('of a long file with one mistake early on, its echoes are not told', () => {
    expect(problemsOf({ file: 'server: { port: 80\nlog:\n  level: info\nmodels:\n  - a\n  - b\n' }).length).toBeLessThan(3);
  });
});

describe('what is wrong in a file', () => {
  test('is all told at once, in the order of the file, with the nearest right names', () => {
    const file = `server:
  prot: 1
  port: "8080"
  max_body_bytes: 5_000
  windowMs: 3
batch_window:
  window_ms: 20ms
  guardrail:
    enabled: no
    enabled: true
workers:
  - url: http://a:1/v1/chat/completions
    max_num_seqs: 0
  - urll: http://b:1
models: [a, 3, { id: c, alias: [d] }]
timeouts: { first_token_ms: 60s }
pressure:
  warn_kv_usage: 85%
load_balancer: p2c
bach_window: {}
supervisor:
  vllm_command: vllm serve
telemetry:
  trust_incoming: On
log:
`;
    expect(problemsOf({ file })).toEqual([
      'headgate.yaml:2:3: server.prot: unknown key; did you mean port?',
      'headgate.yaml:3:9: server.port: expected a whole number from 0 to 65535; got "8080"; write it without quotes',
      'headgate.yaml:4:19: server.max_body_bytes: expected a whole number from 1 to 1073741824; got "5_000"; write 5000',
      'headgate.yaml:5:3: server.windowMs: unknown key here; did you mean batch_window.window_ms or circuit_breaker.window_ms?',
      'headgate.yaml:7:14: batch_window.window_ms: expected a whole number from 0 to 1000; got "20ms"; it is in milliseconds: write 20',
      'headgate.yaml:9:14: batch_window.guardrail.enabled: expected true or false; got "no"; write false (in YAML 1.2 only true and false are booleans)',
      'headgate.yaml:10:5: batch_window.guardrail.enabled: is set twice, first on line 9',
      'headgate.yaml:12:10: workers[0].url: leave /chat/completions out: the base URL ends before it',
      'headgate.yaml:13:19: workers[0].max_num_seqs: expected a whole number from 1 to 65536; got 0',
      'headgate.yaml:14:5: workers[1].urll: unknown key; did you mean url?',
      'headgate.yaml:15:13: models[1]: expected text or a group of settings; got 3; put it in quotes',
      'headgate.yaml:15:25: models[2].alias: unknown key; did you mean aliases?',
      'headgate.yaml:16:29: timeouts.first_token_ms: expected a whole number from 1 to 86400000; got "60s"; it is in milliseconds: write 60000',
      'headgate.yaml:18:18: pressure.warn_kv_usage: expected a number from 0 to 1; got "85%"; write 0.85',
      'headgate.yaml:19:16: load_balancer: expected a group of settings; got "p2c"',
      'headgate.yaml:20:1: bach_window: unknown key; did you mean batch_window?',
      'headgate.yaml:22:17: supervisor.vllm_command: expected a list of 1 to 64 values; got "vllm serve"; write a list, such as [a, b]',
      'headgate.yaml:24:19: telemetry.trust_incoming: expected true or false; got "On"; write true (in YAML 1.2 only true and false are booleans)',
    ]);
  });

  test.each([
    ['0', 'auto or a whole number from 1 to 1000; got 0'],
    ['aut', 'auto or a whole number from 1 to 1000; got "aut"'],
  ])('names a word that is taken beside numbers (%s)', (written, expected) => {
    expect(problemsOf({ file: `state: { gateways: ${written} }` })).toEqual([`headgate.yaml:1:20: state.gateways: expected ${expected}`]);
  });

  test('stands in the error in parts, too', () => {
    let thrown: unknown;
    try {
      load({ file: 'server: { port: x }' });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(SettingsError);
    expect((thrown as SettingsError).problems).toEqual([
      { where: 'headgate.yaml:1:17', path: 'server.port', message: 'expected a whole number from 0 to 65535; got "x"' },
    ]);
  });

  test('is told after other layers when those are wrong as well', () => {
    const given = { file: 'server: { port: x }', env: { HEADGATE_LOG__LEVEL: 'loud' }, argv: ['--window-ms', 'x'] };
    expect(problemsOf(given).map((line) => line.split(':')[0])).toEqual([
      'headgate.yaml',
      'environment HEADGATE_LOG__LEVEL',
      'flag --window-ms',
    ]);
  });

  test('never repeats a secret', () => {
    const file = 'admin: { key: [hunter2] }\nauth: { keys: [hunter2] }\nworkers: [{ url: "http://u:hunter2@a", api_key: "hunter2 x" }]\n';
    const env = { HEADGATE_ADMIN__KEY: 'hunter2 x', HEADGATE_WORKERS: '[{url: "http://u:hunter2@a", api_key: [hunter2]}]' };
    const problems = problemsOf({ file, env });
    expect(problems).toHaveLength(7);
    expect(problems.join('\n')).not.toContain('hunter2');
  });
});

describe('values that the command fixes', () => {
  test('beat every layer and are named after it', () => {
    const fixed = [{ path: ['supervisor', 'enabled'], value: false, by: 'headgate gateway' }];
    const { settings, origins } = load({ file: 'supervisor: { enabled: true }', env: { HEADGATE_SUPERVISOR__ENABLED: 'auto' }, fixed });
    expect(settings.supervisor.enabled).toBe(false);
    expect(origins.get('supervisor.enabled')).toEqual({ kind: 'command', name: 'headgate gateway' });
  });
});

describe('what is sound of settings that are not', () => {
  const salvaged = (file: string) => salvageSettings(inputOf({ file }));

  test('a mistake is told and left out; all that stands beside it holds', () => {
    const { loaded, problems } = salvaged(
      'server: { port: 9000, prot: 1 }\nbatch_window: { window_ms: lots }\nsupervisor: { state_dir: there }',
    );
    expect(problems.map(({ path }) => path)).toEqual(['server.prot', 'batch_window.window_ms']);
    expect(loaded.settings).toMatchObject({ server: { port: 9000 }, batch_window: { window_ms: 0 }, supervisor: { state_dir: 'there' } });
    expect(loaded.origins.get('server.port')).toMatchObject({ kind: 'file', line: 1 });
  });

  test('a mistake in the YAML itself costs what it makes unreadable, and is the only thing told', () => {
    const { loaded, problems } = salvaged(
      'server: { port: 9000 }\nsupervisor:\n  state_dir: there\nadmission: { max_queue: 7\nretry: { bad_key: 1 }\n',
    );
    expect(problems.map(({ message }) => message.slice(0, 15))).toEqual(['not valid YAML:']);
    expect(loaded.settings).toMatchObject({ server: { port: 9000 }, supervisor: { state_dir: 'there' } });
  });

  test('settings that clash are told, and each holds', () => {
    const { loaded, problems } = salvaged('server: { host: 0.0.0.0, port: 9000 }');
    expect(problems.length).toBe(1);
    expect(loaded.settings.server).toMatchObject({ host: '0.0.0.0', port: 9000 });
  });

  test.each([['[1, 2]'], ['\u0000'], ['a: &a [*a]'], ['? {}\n: 1'], ['{{{'], [': :\n - ]']])('%j leaves the defaults', (file) => {
    expect(salvaged(file).problems.length).toBeGreaterThan(0);
    expect(salvaged(file).loaded.settings).toEqual(defaultSettings());
  });
});

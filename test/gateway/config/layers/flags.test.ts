import { describe, expect, test } from 'vitest';
import { SETTINGS_FLAGS, parseSettingsFlags } from '../../../../gateway/config/layers/flags.ts';
import { load, problemsOf } from '../loading.ts';

describe('reading the command line', () => {
  test('keeps values as text, of repeatable flags all, of others the last', () => {
    const parsed = parseSettingsFlags(['--port', '1', '--worker=http://a', '--config', 'x.yaml', '--port=2', '--worker', 'http://b']);
    expect(parsed).toEqual({
      kind: 'flags',
      flags: {
        config: 'x.yaml',
        values: new Map([
          ['port', ['2']],
          ['worker', ['http://a', 'http://b']],
        ]),
      },
      own: new Map(),
      positionals: [],
    });
  });

  test('tells all values of a flag of its own that may be given again, a line each', () => {
    const argv = ['--name', 'a', '--name=b', '--as', 'c', '--as', 'd'];
    const parsed = parseSettingsFlags(argv, { name: 'values', as: 'value' });
    expect(parsed).toMatchObject({ own: new Map(Object.entries({ name: 'a\nb', as: 'd' })) });
  });

  test("hands over a command's own flags and arguments", () => {
    const parsed = parseSettingsFlags(['model-a', '--json', '--port', '1', '--name', 'n'], { json: 'switch', name: 'value' });
    expect(parsed).toMatchObject({
      kind: 'flags',
      own: new Map<string, unknown>([
        ['json', true],
        ['name', 'n'],
      ]),
      positionals: ['model-a'],
    });
  });

  test('takes a negative number for a value', () => {
    expect(problemsOf({ argv: ['--window-ms', '-5'] })).toEqual(['flag --window-ms: expected a whole number from 0 to 1000; got -5']);
  });

  test('tells every wrong use at once, with the nearest flag', () => {
    expect(
      parseSettingsFlags(['--conifg', 'x', '--port', '--host', 'h', '-x', '--window-ms=', '--json=1', '--zzzzzzz', '--model'], {
        json: 'switch',
      }),
    ).toEqual({
      kind: 'usage',
      problems: [
        'unknown flag --conifg; did you mean --config?',
        'flag --port needs a value: --port N',
        'unknown flag -x',
        'flag --window-ms needs a value: --window-ms N',
        'flag --json takes no value',
        'unknown flag --zzzzzzz',
        'flag --model needs a value: --model ID',
      ],
    });
  });

  test('takes what follows -- as arguments', () => {
    expect(parseSettingsFlags(['--', '--port'])).toMatchObject({ kind: 'flags', positionals: ['--port'] });
  });
});

describe('flags as a layer', () => {
  test('each sets its setting and beats the environment and the file', () => {
    const { settings, origins } = load({
      file: 'server: { port: 1, host: 127.0.0.2 }\nworkers: [{ url: "http://old:1" }]\n',
      env: { HEADGATE_SERVER__PORT: '2', HEADGATE_BATCH_WINDOW__WINDOW_MS: '50' },
      argv: [
        '--port',
        '3',
        '--host',
        '::1',
        '--profile',
        't4',
        '--tuning',
        'safe',
        '--window-ms',
        '20',
        '--engine',
        'sim',
        '--worker',
        'http://a:1/',
        '--worker',
        'http://b:1',
      ],
    });
    expect(settings.server).toMatchObject({ port: 3, host: '::1' });
    expect(settings.supervisor).toMatchObject({ profile: 't4', tuning: 'safe', engine: 'sim' });
    expect(settings.batch_window.window_ms).toBe(20);
    expect(settings.workers.map(({ url }) => url)).toEqual(['http://a:1', 'http://b:1']);
    expect(origins.get('server.port')).toEqual({ kind: 'flag', name: '--port' });
    expect(origins.get('workers[1].url')).toEqual({ kind: 'flag', name: '--worker' });
  });

  test('with wrong values are named', () => {
    expect(
      problemsOf({
        argv: ['--port', 'abc', '--engine', 'Sim', '--worker', 'http://a:1', '--worker', 'b', '--model', 'a b', '--host', 'x y'],
      }),
    ).toEqual([
      'flag --host: expected an address or a host name, without scheme, port or path',
      'flag --port: expected a whole number from 0 to 65535; got "abc"',
      'flag --worker: workers[1].url: expected a URL such as http://10.0.0.5:8000 (http or https)',
      'flag --engine: expected auto, vllm or sim; got "Sim"; did you mean sim?',
      'flag --model: models[0]: expected the id of a model: 1 to 256 visible ASCII characters, without spaces',
    ]);
  });

  test('all of them are covered here', () => {
    expect(SETTINGS_FLAGS.map(({ name }) => name)).toEqual([
      'config',
      'host',
      'port',
      'model',
      'profile',
      'tuning',
      'window-ms',
      'engine',
      'worker',
    ]);
  });
});

describe('--model', () => {
  const file = 'models:\n  - a\n  - { id: b, aliases: [gpt-4o], engine: { dtype: half } }\n  - c\n';

  test('moves the model to the front, with its entry and its origin, and keeps the others', () => {
    const { settings, origins } = load({ file, argv: ['--model', 'b'] });
    expect(settings.models.map(({ id }) => id)).toEqual(['b', 'a', 'c']);
    expect(settings.models[0]!.engine).toEqual({ dtype: 'half' });
    expect(origins.get('models[0].id')).toMatchObject({ kind: 'file', line: 3 });
    expect(origins.get('models[1].id')).toMatchObject({ kind: 'file', line: 2 });
    expect(origins.get('models[2].id')).toMatchObject({ kind: 'file', line: 4 });
  });

  test('knows a model by its alias', () => {
    expect(load({ file, argv: ['--model', 'gpt-4o'] }).settings.models.map(({ id }) => id)).toEqual(['b', 'a', 'c']);
  });

  test('adds a model that is not listed', () => {
    const { settings, origins } = load({ file, argv: ['--model', 'org/new'] });
    expect(settings.models.map(({ id }) => id)).toEqual(['org/new', 'a', 'b', 'c']);
    expect(origins.get('models[0].id')).toEqual({ kind: 'flag', name: '--model' });
    expect(origins.get('models[2].engine')).toMatchObject({ kind: 'file', line: 3 });
  });

  test('works without any list', () => {
    expect(load({ argv: ['--model', 'a'] }).settings.models.map(({ id }) => id)).toEqual(['a']);
  });
});

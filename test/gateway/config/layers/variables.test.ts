import { describe, expect, test } from 'vitest';
import { substituteVariables } from '../../../../gateway/config/layers/variables.ts';
import { load, problemsOf } from '../loading.ts';

describe('variables in text', () => {
  const env = { HOST: 'gpu-1', EMPTY: '', NESTED: '${HOST}' };

  test.each([
    ['http://${HOST}:80', 'http://gpu-1:80'],
    ['${HOST}${HOST}', 'gpu-1gpu-1'],
    ['${NONE:-x}', 'x'],
    ['${EMPTY:-x}', 'x'],
    ['${EMPTY}', ''],
    ['${NONE:-}', ''],
    ['${HOST:-x}', 'gpu-1'],
    ['$${HOST}', '${HOST}'],
    ['$HOST and $', '$HOST and $'],
    ['${NESTED}', '${HOST}'],
  ])('%s becomes %s', (text, expected) => {
    expect(substituteVariables(text, env)).toEqual({ text: expected, problems: [] });
  });

  test.each(['${NONE}', '${}', '${A-B}', '${HOST', '${1A}', '${toString}'])('%s is a problem', (text) => {
    expect(substituteVariables(text, env).problems).toHaveLength(1);
  });
});

describe('variables in the file', () => {
  test('take the type that the setting has', () => {
    const file = 'server: { port: "${PORT}" }\nadmin:\n  key: ${KEY}\nbatch_window:\n  guardrail:\n    enabled: ${ON}\n';
    const { settings } = load({ file, env: { PORT: '9000', KEY: '1e30000000000000', ON: 'false' } });
    expect(settings.server.port).toBe(9000);
    expect(settings.admin.key).toBe('1e30000000000000');
    expect(settings.batch_window.guardrail.enabled).toBe(false);
  });

  test('may hold a whole list', () => {
    const { settings } = load({ file: 'models: ${MODELS}\n', env: { MODELS: '[a, {id: b, aliases: [c]}]' } });
    expect(settings.models.map(({ id }) => id)).toEqual(['a', 'b']);
  });

  test('that are missing are problems where they stand, and nothing else is said of their settings', () => {
    const file = 'server:\n  port: ${A}\nworkers:\n  - url: http://${B}:8000\n    api_key: ${C}\n';
    expect(problemsOf({ file })).toEqual([
      'headgate.yaml:2:9: server.port: the environment has no A; set it, or write ${A:-value}',
      'headgate.yaml:4:10: workers[0].url: the environment has no B; set it, or write ${B:-value}',
      'headgate.yaml:5:14: workers[0].api_key: the environment has no C; set it, or write ${C:-value}',
    ]);
  });

  test('cannot bring structure into a text, nor be read twice', () => {
    const { settings } = load({ file: 'admin:\n  key: ${KEY}\n', env: { KEY: '"a\\n#${HOME}-and-so-on' } });
    expect(settings.admin.key).toBe('"a\\n#${HOME}-and-so-on');
  });

  test('that are empty leave a key unset', () => {
    expect(load({ file: 'admin: { key: "${KEY:-}" }' }).settings.admin.key).toBeNull();
  });

  test('are not repeated in messages, because they may be secrets', () => {
    const [problem] = problemsOf({ file: 'server:\n  port: ${PORT}\n', env: { PORT: 'hunter2' } });
    expect(problem).toBe('headgate.yaml:2:9: server.port: expected a whole number from 0 to 65535');
  });

  test('without quotes inside braces are explained', () => {
    expect(problemsOf({ file: 'server: { port: ${PORT} }' })[0]).toMatch(/^headgate\.yaml:1:\d+: not valid YAML: .*put \$\{…\} in quotes$/);
  });
});

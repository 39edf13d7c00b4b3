import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { explainJson, explainSettings } from '../../../gateway/config/explain.ts';
import { defaultSettings } from '../../../gateway/config/schema/settings.ts';
import { SETTINGS } from '../../../gateway/config/schema/form.ts';
import { load } from './loading.ts';

const file = `admin:
  key: hunter2-hunter2-hunter2
workers:
  - url: http://a:1
    api_key: hunter2
models:
  - a
  - id: b
    engine: { hf-token: hunter2, max-model-len: 4096 }
`;
const given = { file, env: { HEADGATE_LOG__LEVEL: 'debug', HEADGATE_SUPERVISOR__ENABLED: 'true' }, argv: ['--port', '9'] };

describe('explaining settings', () => {
  test('names the layer of each value', () => {
    const lines = explainSettings(load(given))
      .split('\n')
      .map((line) => line.replace(/ +# /, ' # '));
    expect(lines[0]).toBe('# settings file: headgate.yaml');
    for (const line of [
      '  host: 127.0.0.1 # default',
      '  port: 9 # flag --port',
      '  - url: http://a:1 # headgate.yaml:4',
      '    max_num_seqs: 256 # default',
      '  level: debug # environment HEADGATE_LOG__LEVEL',
      '  - id: a # headgate.yaml:7',
      '  - id: b # headgate.yaml:8',
    ]) {
      expect(lines).toContain(line);
    }
  });

  test('lists every setting, as YAML that says what holds', () => {
    const loaded = load({});
    expect(parse(explainSettings(loaded))).toEqual(defaultSettings());
    const origins = explainSettings(loaded)
      .split('\n')
      .filter((line) => line.includes('# default'));
    expect(origins).toHaveLength(SETTINGS.root.leaves().length);
  });

  test('shows a section alone, or a setting, in its place', () => {
    expect(parse(explainSettings(load(given), ['log'])!)).toEqual({ log: load(given).settings.log });
    expect(parse(explainSettings(load(given), ['server', 'port'])!)).toEqual({ server: { port: 9 } });
    expect(explainSettings(load(given), ['admin'])).not.toContain('hunter2');
    for (const path of [['nothing'], ['log', 'nothing'], ['log', 'level', 'origin'], ['models', '0'], ['toString']])
      expect(explainSettings(load(given), path)).toBeNull();
  });

  test('hides the values of headers for a collector, each by its own name', () => {
    const text = explainSettings(
      load({ file: 'telemetry: { otlp_endpoint: http://127.0.0.1:4318, headers: { x-key: hunter2, x-other: hunter3 } }' }),
    );
    expect(text).not.toMatch(/hunter/);
    expect(text).toMatch(/^ {4}x-key: \(hidden\) +# headgate\.yaml:1$/m);
    expect(text).toMatch(/^ {4}x-other: \(hidden\) +# headgate\.yaml:1$/m);
    expect(explainSettings(load({}))).toMatch(/^ {2}headers: \{\} +# default$/m);
  });

  test('hides secrets, but not that there is none', () => {
    const text = explainSettings(load(given));
    expect(text).not.toContain('hunter2');
    expect(text).toMatch(/^ {2}key: \(hidden\) +# headgate\.yaml:2$/m);
    expect(text).toMatch(/^ {4}api_key: \(hidden\) +# headgate\.yaml:5$/m);
    expect(text).toMatch(/^ {4}engine: \{hf-token: \(hidden\), max-model-len: 4096\} +# headgate\.yaml:9$/m);
    expect(explainSettings(load({}))).toMatch(/^ {2}key: null +# default$/m);
  });

  test('hides the passwords of URLs and what a command carries, and shows limits on tokens', () => {
    const engines = `supervisor: { vllm_command: [docker, run, -e, HF_TOKEN=hunter2, vllm, serve] }
models:
  - id: b
    source: b/b
    engine:
      kv-transfer-config: { kv_connector_extra_config: { url: "redis://:hunter2@cache:1", auth: { password: hunter2 } } }
      max_num_batched_tokens: 4096
`;
    const loaded = load({ file: engines });
    for (const text of [explainSettings(loaded), JSON.stringify(explainJson(loaded))]) {
      expect(text).not.toContain('hunter2');
      expect(text).toContain('redis://[redacted]@cache:1');
      expect(text).toMatch(/max_num_batched_tokens"?: ?4096/);
    }
  });

  test('begins with what is to be warned of', () => {
    expect(
      explainSettings(load({ env: { HEADGATE_SERVER_PORT: '1' } }))
        .split('\n')
        .slice(0, 2),
    ).toEqual(['# no settings file', '# warning: environment HEADGATE_SERVER_PORT: is no setting; did you mean HEADGATE_SERVER__PORT?']);
  });
});

describe('explaining settings as JSON', () => {
  test('gives value and origin in the shape of the settings', () => {
    const json = explainJson(load(given));
    expect(json).toMatchObject({
      file: 'headgate.yaml',
      warnings: [],
      settings: {
        server: { host: { value: '127.0.0.1', origin: 'default' }, port: { value: 9, origin: 'flag --port' } },
        admin: { key: { value: '(hidden)', origin: 'headgate.yaml:2' } },
        workers: [{ url: { value: 'http://a:1', origin: 'headgate.yaml:4' }, api_key: { value: '(hidden)' } }],
        models: [
          { id: { value: 'a', origin: 'headgate.yaml:7' } },
          { engine: { value: { 'hf-token': '(hidden)', 'max-model-len': 4096 } } },
        ],
        auth: { keys: { value: [], origin: 'default' } },
      },
    });
    expect(JSON.stringify(json)).not.toContain('hunter2');
  });
});

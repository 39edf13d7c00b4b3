import { describe, expect, it } from 'vitest';
import { debugBundleBody } from '../../../gateway/telemetry/debug-bundle.ts';
import { redacted } from '../../../gateway/core/secrets/data.ts';
import { withoutSecrets } from '../../../gateway/core/secrets/text.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { directoryOf, snapshotOf, viewOf, workerOf } from './events/scene.ts';

describe('redaction', () => {
  it.each([
    [{ api_key: 'abc' }, { api_key: '[redacted]' }],
    [
      { apiKey: 'abc', password: 'x' },
      { apiKey: '[redacted]', password: '[redacted]' },
    ],
    [{ keys: ['a', { name: 'n', hash: 'h' }] }, { keys: ['[redacted]', { name: '[redacted]', hash: '[redacted]' }] }],
    [{ admin: { key: null, port: 9 } }, { admin: { key: null, port: 9 } }],
    [
      { max_tokens: 5, tokens: { input: 1 } },
      { max_tokens: 5, tokens: { input: 1 } },
    ],
    [
      { args: ['--api-key', 'abc', '--max-num-batched-tokens', '2048'] },
      { args: ['--api-key', '[redacted]', '--max-num-batched-tokens', '2048'] },
    ],
    [{ args: ['--api-key=abc'] }, { args: ['--api-key=[redacted]'] }],
    [{ url: 'http://user:pass@host:1/x' }, { url: 'http://[redacted]@host:1/x' }],
    [new Map([['secret', 'x']]), { secret: '[redacted]' }],
    [null, null],
    [true, true],
  ])('of %j', (value, shown) => {
    expect(redacted(value)).toEqual(shown);
  });

  it.each([
    ['authorization: Bearer abcdefgh12345', 'authorization: Bearer [redacted]'],
    ['using sk-abcdefgh12345678 now', 'using [redacted] now'],
    ['HF_TOKEN=whatever rest', 'HF_TOKEN=[redacted] rest'],
    ['token hf_abcdefghij', 'token [redacted]'],
    ['model mistral-7b-instruct loaded in 12 s', 'model mistral-7b-instruct loaded in 12 s'],
  ])('of the text %s', (text, shown) => {
    expect(withoutSecrets(text)).toBe(shown);
  });
});

describe('the debug bundle', () => {
  it('holds what helps from afar and no secret, wherever it lay', () => {
    const secret = 'sk-abcdefgh12345678';
    const failure = {
      class: 'config-error',
      phase: 'start',
      message: `bad --api-key ${secret}`,
      advice: 'Fix it.',
      at: '2026-01-01T00:00:00Z',
    };
    const body = debugBundleBody({
      clock: createFakeClock(),
      version: '0.1.0',
      settings: { workers: [{ url: 'http://u:hunter2@w', api_key: 'hunter2' }], admin: { key: 'hunter2' }, server: { port: 8080 } },
      metrics: 'a 1\nb 2',
      stats: { tokens: { input: 1 } },
      runtime: { pid: 1 },
      directory: directoryOf([workerOf(viewOf({ args: ['m', '--api-key', 'hunter2'], lastFailure: failure }))]),
      supervisor: snapshotOf(),
      logTails: { gateway: ['{"msg":"up"}'], w0: [`export HF_TOKEN=hunter2`, `Authorization: Bearer ${secret}`] },
    });
    const text = JSON.stringify(body);
    expect(text).not.toContain('hunter2');
    expect(text).not.toContain(secret);
    expect(body).toMatchObject({
      generated_at: '2026-01-01T00:00:00.000Z',
      settings: { server: { port: 8080 } },
      metrics: ['a 1', 'b 2'],
      supervisor: { engine: 'vllm', tuning: 'balanced' },
      last_failures: [{ worker: 'w0', class: 'config-error' }],
      log_tails: { gateway: ['{"msg":"up"}'] },
    });
  });
});

import { describe, expect, it } from 'vitest';
import { redacted } from '../../../../gateway/core/secrets/data.ts';
import { withoutSecrets } from '../../../../gateway/core/secrets/text.ts';

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

import { expect, test } from 'vitest';
import { isSecretName, shownArguments } from '../../../../gateway/core/secrets/data.ts';

test.each([
  [['serve', 'm', '--api-key', 'one', 'two', '--port', '1'], 'serve m --api-key [redacted] [redacted] --port 1'],
  [['--hf-token=abc', '--max-num-batched-tokens', '2048'], '--hf-token=[redacted] --max-num-batched-tokens 2048'],
  [['--hf-token', '--port', '1'], '--hf-token --port 1'],
  [
    ['--kv-transfer-config', '{"kv_connector_extra_config":{"url":"redis://:pw@h:1","password":"pw2"}}'],
    '--kv-transfer-config {"kv_connector_extra_config":{"url":"redis://[redacted]@h:1","password":"[redacted]"}}',
  ],
  [['docker', 'run', '-e', 'HF_TOKEN=abc', 'image'], 'docker run -e HF_TOKEN=[redacted] image'],
])('a command line %j hides what is secret and nothing else', (words, shown) => {
  expect(shownArguments(words).join(' ')).toBe(shown);
});

test.each(['api_key', 'hf-token', 'HF_TOKEN', 'apiKey', 'keys', 'Authorization', 'hf_tokens', 'client_secret'])(
  '%s names a secret',
  (name) => {
    expect(isSecretName(name)).toBe(true);
  },
);

test.each(['max_num_batched_tokens', 'max-tokens', 'tokens', 'tokenizer', 'keyboard', 'monkey', 'cache_key_fields'])(
  '%s names none',
  (name) => {
    expect(isSecretName(name)).toBe(false);
  },
);

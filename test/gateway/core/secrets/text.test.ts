import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { plainText } from '../../../../gateway/core/secrets/plain-text.ts';
import { withoutSecrets } from '../../../../gateway/core/secrets/text.ts';
import { recordedLogs } from '../../openai/recordings.ts';

const ORDINARY = [
  'INFO 08-17 10:00:00 [gpu_worker.py:1] Available KV cache memory: 6.87 GiB, max_num_batched_tokens=2048, num_prompt_tokens: 12',
  "non-default args: {'model_tag': 'Qwen/Qwen3-8B', 'api_key': None, 'hf_token': None, 'hf_overrides': {}, 'tokenizer_mode': 'auto'}",
  "ValueError: unexpected token: ']' at position 12; eos_token='</s>' pad_token_id=0 skip_tokenizer_init=False",
  'Set --api-key or VLLM_API_KEY; hf_transfer and hf_xet speed up downloads',
  'vllm serve: error: argument --api-key: expected at least one argument',
  'HTTP 401: Bearer authentication is needed, Bearer token is missing. Basic authentication is not supported.',
  'per-token latency is 12 ms; task-queue-is-long-today; disk-usage-is-at-95-percent',
  'KeyError: "lm_head.weight"; secret: None; password=null',
  'Loading https://huggingface.co/Qwen/Qwen3-8B/resolve/main/config.json from http://10.0.0.1:3128/ (tcp://127.0.0.1:29500)',
  'RepositoryNotFoundError: 401 Client Error. (Request ID: Root=1-68ab-4c0e9a2b7;8a1b2c3d)',
];

describe('a text with secrets', () => {
  test.each([
    ['using hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345 now', 'using [redacted] now'],
    ['hf_abcdefghijklmnopqrstuvwxyz0123456', '[redacted]'],
    ["headers={'Authorization': 'Bearer x9y8z7w6v5'}", "headers={'Authorization': 'Bearer [redacted]'}"],
    ['Authorization: Basic dXNlcjpwYXNz', 'Authorization: Basic [redacted]'],
    ['proxy http://bob:s3cret@10.0.0.1:3128 refused', 'proxy http://[redacted]@10.0.0.1:3128 refused'],
    ['redis://:p@ss@host:6379/0', 'redis://[redacted]@host:6379/0'],
    ['HF_TOKEN=abc python', 'HF_TOKEN=[redacted] python'],
    ["{'api_key': ['one', 'two'], 'port': 1}", "{'api_key': [redacted], 'port': 1}"],
    ['{"api_key":"k\'k","x":1}', '{"api_key":"[redacted]","x":1}'],
    ['vllm serve m --api-key one --port 1', 'vllm serve m --api-key [redacted] --port 1'],
    ["argv=['--hf-token', 'zzz', '--port', '1']", "argv=['--hf-token', '[redacted]', '--port', '1']"],
    ['aws_secret_access_key=abc/def+x==', 'aws_secret_access_key=[redacted]'],
    ['credentials of AKIAABCDEFGHIJKLMNOP', 'credentials of [redacted]'],
    ['https://cdn.hf.co/x?Expires=1&Signature=abc~&Key-Pair-Id=K1', 'https://cdn.hf.co/x?Expires=1&Signature=[redacted]&Key-Pair-Id=K1'],
    ['HEADGATE_ADMIN__KEY=abcdefg', 'HEADGATE_ADMIN__KEY=[redacted]'],
    ['invalid key sk-proj-abcDEF123456.', 'invalid key [redacted].'],
    ['it came as hg-app-a-Zx3kPq9LmN2v', 'it came as [redacted]'],
  ])('%s', (text, shown) => expect(withoutSecrets(text)).toBe(shown));

  const word = (alphabet: string, min: number, max = 40) =>
    fc.array(fc.constantFrom(...alphabet), { minLength: min, maxLength: max }).map((letters) => letters.join(''));
  const LETTERS = 'abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ';
  const DIGITS = '0123456789';
  // A digit in it: words of a language have none.
  const key = fc.tuple(word(LETTERS + DIGITS, 8), fc.constantFrom(...DIGITS), word(LETTERS + DIGITS, 8)).map((parts) => parts.join(''));
  const password = word(`${LETTERS}${DIGITS}!$%*+-_.~:^|@#?`, 6).map((text) => `${text}Z9`);
  const planted = fc.oneof(
    key.map((secret) => ({ secret, text: `hf_${secret}` })),
    key.map((secret) => ({ secret, text: `sk-${secret}` })),
    key.map((secret) => ({ secret, text: `Bearer ${secret}` })),
    fc
      .tuple(key, fc.constantFrom('api_key', 'HF_TOKEN', 'OPENAI_API_KEY', 'aws_session_token', 'client_secret', 'password', 'x-api-key'))
      .chain(([secret, name]) =>
        fc
          .constantFrom(
            `${name}=${secret}`,
            `${name}: ${secret}`,
            `'${name}': '${secret}'`,
            `{"${name}":"${secret}"}`,
            `(${name}='${secret}')`,
          )
          .map((text) => ({ secret, text })),
      ),
    fc
      .tuple(key, fc.constantFrom('--api-key', '--hf-token', '--redis-password'))
      .chain(([secret, flag]) =>
        fc.constantFrom(`${flag} ${secret}`, `${flag}=${secret}`, `'${flag}', '${secret}'`).map((text) => ({ secret, text })),
      ),
    fc
      .tuple(fc.constantFrom('http', 'https', 'redis', 'postgres'), word(LETTERS, 0, 8), password)
      .map(([scheme, user, secret]) => ({ secret, text: `${scheme}://${user}:${secret}@host.example:8080/path` })),
    fc
      .constantFrom(...LETTERS)
      .map((letter) => ({ secret: `AKIA${letter.toUpperCase().repeat(16)}`, text: `AKIA${letter.toUpperCase().repeat(16)}` })),
  );
  const around = fc.constantFrom(...ORDINARY, '', 'ValueError:', 'it said');

  test('keeps none that was planted between ordinary words, and the words', () => {
    fc.assert(
      fc.property(around, fc.array(planted, { minLength: 1, maxLength: 4 }), around, (before, secrets, after) => {
        const text = [before, ...secrets.map((each) => each.text), after].join(' ');
        const shown = withoutSecrets(text);
        for (const { secret } of secrets) expect(shown).not.toContain(secret);
        expect(shown.startsWith(before)).toBe(true);
        expect(shown.endsWith(after)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test('changes no more the second time', () => {
    const anything = fc.oneof(
      planted.map(({ text }) => text),
      fc.constantFrom(...ORDINARY),
      fc.string(),
      password,
    );
    fc.assert(
      fc.property(fc.array(anything, { maxLength: 6 }), fc.constantFrom('', ' ', '=', ': ', '"'), (parts, seam) => {
        const once = withoutSecrets(parts.join(seam));
        expect(withoutSecrets(once)).toBe(once);
      }),
      { numRuns: 500 },
    );
  });

  test.each(ORDINARY)('leaves ordinary words: %s', (text) => expect(withoutSecrets(text)).toBe(text));

  test('leaves every line that a real vLLM has logged at its starts and deaths', () => {
    const lines = [...recordedLogs().values()].flatMap((text) => text.split('\n').map(plainText));
    expect(lines.length).toBeGreaterThan(1000);
    expect(lines.filter((line) => withoutSecrets(line) !== line)).toEqual([]);
  });

  // Where time grew with the square of the length, one of these would take minutes.
  test.each([
    'a',
    'A_',
    '-',
    ' ',
    'sk-',
    'hf_a',
    'hf_',
    '://a:',
    '://',
    '@',
    'eyJaaaaaaaaa.',
    '?a-',
    '&a_key',
    'KEY',
    'Basic ',
    'Bearer ',
    'token=',
  ])('of many times “%s” takes time in proportion to its length', (piece) => {
    const long = piece.repeat(Math.ceil(400_000 / piece.length));
    for (const text of [long, `password=${long}`, `--api-key ${long}`, `api_key="${long}`, `http://${long}`])
      expect(withoutSecrets(text).length).toBeLessThanOrEqual(text.length * 4);
  });
});

describe('a plain text', () => {
  test.each([
    ['colors', '\u001b[1;31mred\u001b[0m', 'red'],
    ['a title', '\u001b]0;owned\u0007x', 'x'],
    ['a link', '\u001b]8;;http://evil\u001b\\click\u001b]8;;\u001b\\', 'click'],
    ['a title that does not end', '\u001b]0;owned', '0;owned'],
    ['a device string', '\u001bPq#0\u001b\\x', 'x'],
    ['a reset', '\u001bcx', 'x'],
    ['controls of eight bits', '\u009b2Jx\u0085', 'x'],
    ['bell, backspace and NUL', 'a\u0007\b\u0000b', 'ab'],
    ['turned text', 'exe.\u202Efdp\u2066x\u2069', 'exe.fdpx'],
    ['what nobody sees', '\ufeffa\u200bb', 'ab'],
    ['line ends', 'a\r\nb\u2028c', 'a b c'],
  ])('has lost %s', (_, text, plain) => expect(plainText(text)).toBe(plain));

  test('keeps every word of every script, tabs and emoji', () => {
    const text = '\tÜber 中文 עברית हिन्दी 👩‍💻 ▁▂▃ 50%|█████';
    expect(plainText(text)).toBe(text);
  });

  test('obeys no terminal, whatever came', () => {
    const odd = fc.constantFrom('\u001b', '[', ']', 'P', '\\', '\u0007', '0', ';', 'm', '\u009b', '\u009d', '\u202e', 'x', ' ');
    fc.assert(
      fc.property(
        fc.array(odd).map((parts) => parts.join('')),
        (text) => {
          // eslint-disable-next-line no-control-regex
          expect(plainText(text)).not.toMatch(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
          expect(plainText(plainText(text))).toBe(plainText(text));
        },
      ),
    );
  });
});

import { expect, test } from 'vitest';
import { readGateOptions } from '../../../scripts/release-gate/options.ts';

test('has all profiles, and half an hour of soak', () => {
  expect(readGateOptions([], { OPENAI_API_KEY: 'k' })).toMatchObject({
    kind: 'options',
    options: {
      url: null,
      only: ['step', 'spike', 'cancel', 'fair', 'drain', 'soak'],
      scale: 1,
      soakMs: 1_800_000,
      capacity: null,
      key: 'k',
    },
  });
  expect(readGateOptions(['http://a:1/', '--quick', '--only', 'soak,step', '--capacity', '12.5', '--port', '8081'], {})).toMatchObject({
    options: { url: 'http://a:1', only: ['step', 'soak'], scale: 0.15, soakMs: 60_000, capacity: 12.5, where: ['--port', '8081'] },
  });
  expect(readGateOptions(['--quick', '--soak', '24h'], {})).toMatchObject({ options: { soakMs: 86_400_000 } });
});

test.each([
  [['--only', 'step,spik'], /did you mean spike\?/],
  [['--only', 'x'], /there are step, spike/],
  [['--soak', 'long'], /--soak is a time such as .*not long/],
  [['http://user:secret@127.0.0.1:8080'], /a URL with a password ends up in reports/],
  [['--capacity', '0'], /--capacity must be a number from 0.001 to 1000000, not 0/],
  [['--input', 'many'], /--input is a number of tokens.*not many/],
  [['--seed', '1.5'], /--seed/],
  [['--steps', '5'], /--steps/],
  [['nonsense'], /nonsense is no URL/],
  [['http://a', 'http://b'], /one URL at most/],
])('%j is refused', (argv, problem) => {
  expect(readGateOptions(argv, {})).toMatchObject({ kind: 'usage', problem: expect.stringMatching(problem) });
});

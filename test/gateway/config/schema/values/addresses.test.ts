import { describe, expect, test } from 'vitest';
import { controlProblem, hostProblem, isLoopbackHost, serverUrlProblem } from '../../../../../gateway/config/schema/values/addresses.ts';

describe('loopback', () => {
  test.each(['127.0.0.1', '127.8.9.1', '::1', '[::1]', 'localhost', 'LOCALHOST', 'localhost.', 'a.localhost', '::ffff:127.0.0.1'])(
    '%s is this machine only',
    (host) => {
      expect(isLoopbackHost(host)).toBe(true);
    },
  );

  test.each(['0.0.0.0', '::', '10.0.0.1', 'example.org', 'localhost.example.org', 'notlocalhost', '128.0.0.1', ''])('%s is not', (host) => {
    expect(isLoopbackHost(host)).toBe(false);
  });
});

describe('a listening address', () => {
  test.each(['0.0.0.0', '::', '10.1.2.3', 'localhost', 'gpu-1.lan', 'a'])('may be %s', (host) => {
    expect(hostProblem(host)).toBeNull();
  });

  test.each(['', '[::1]', '1.2.3', '999.1.1.1', 'http://a', 'a:8080', 'a b', 'a/b', '-a', 'a..b'])('may not be "%s"', (host) => {
    expect(hostProblem(host)).not.toBeNull();
  });
});

describe("a worker's URL", () => {
  test.each([
    'http://10.0.0.5:8000',
    'https://vllm.example/',
    'http://[::1]:8000',
    'http://192.168.1.1',
    'http://localhost:1',
    'https://a/openai/v1',
  ])('may be %s', (url) => {
    expect(serverUrlProblem(url, 'base')).toBeNull();
  });

  test.each([
    ['10.0.0.5:8000', 'expected a URL'],
    ['ftp://a', 'expected a URL'],
    ['file:///etc/passwd', 'expected a URL'],
    ['http://', 'expected a URL'],
    ['http://user:pass@a', 'user name or password'],
    ['http://user@a', 'user name or password'],
    ['http://a/v1/chat/completions', 'leave /chat/completions out'],
    ['http://a/v1/models/', 'leave /models/ out'],
    ['http://a/?x=1', 'no query'],
    ['http://a/?', 'no query'],
    ['http://a#b', 'no fragment'],
    ['http://169.254.169.254', 'metadata'],
    ['http://169.254.0.1:80', 'metadata'],
    // Other ways to write 169.254.169.254.
    ['http://2852039166', 'metadata'],
    ['http://0xa9.254.169.254', 'metadata'],
    ['http://[::ffff:169.254.169.254]', 'metadata'],
    ['http://[fd00:ec2::254]:80', 'metadata'],
    ['http://metadata.google.internal', 'metadata'],
    ['http://METADATA.google.internal.:80', 'metadata'],
  ])('may not be %s', (url, reason) => {
    expect(serverUrlProblem(url, 'base')).toContain(reason);
  });

  test('of a collector may have a path', () => {
    expect(serverUrlProblem('http://127.0.0.1:4318/v1/traces', 'any')).toBeNull();
    expect(serverUrlProblem('http://169.254.169.254/v1/traces', 'any')).toContain('metadata');
  });

  test('is never repeated when it holds a password', () => {
    expect(serverUrlProblem('http://user:hunter2@a', 'base')).not.toContain('hunter2');
  });
});

describe('the control address', () => {
  test.each(['auto', '/run/headgate.sock', 'state/control.sock', 'http://127.0.0.1:9000', 'http://[::1]:9000', 'http://localhost:1'])(
    'may be %s',
    (text) => {
      expect(controlProblem(text)).toBeNull();
    },
  );

  test.each([
    '',
    'http://10.0.0.1:9000',
    'https://127.0.0.1:1',
    'http://127.0.0.1:1/x',
    'http://u@127.0.0.1:1',
    'tcp://127.0.0.1:1',
    `/${'x'.repeat(107)}`,
  ])('may not be "%s"', (text) => {
    expect(controlProblem(text)).not.toBeNull();
  });
});

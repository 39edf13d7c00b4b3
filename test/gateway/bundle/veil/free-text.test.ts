import { describe, expect, it } from 'vitest';
import { veilOver } from '../veil-over.ts';

describe('a free text', () => {
  it.each([
    ['connect ECONNREFUSED 10.20.30.40:5432', 'connect ECONNREFUSED <address #1, 16 characters>'],
    ['connect ECONNREFUSED fd00:1234:abcd::1', 'connect ECONNREFUSED <address #1, 17 characters>'],
    ['mail bob.smith@acme.com now', 'mail <email #1, 18 characters> now'],
    ['see http://files.acme.com:9000/a?b=c.', 'see <url #1, 32 characters>.'],
    ['getaddrinfo ENOTFOUND db.internal.acme.com', 'getaddrinfo ENOTFOUND <host #1, 20 characters>'],
    ['no file /home/bob/weights/x.safetensors', 'no file <path #1, 31 characters>'],
    ['no file ~/weights', 'no file <path #1, 9 characters>'],
    ['key 0f3a9c1b5d7e8f60718293a4b5c6d7e8 is wrong', 'key <secret #1, 32 characters> is wrong'],
    // What everybody has says nothing of anybody.
    ['The gateway serves on http://127.0.0.1:8080.', 'The gateway serves on http://127.0.0.1:8080.'],
    ['POST /v1/chat/completions took 0.11.0 s, 3/4 of it', 'POST /v1/chat/completions took 0.11.0 s, 3/4 of it'],
    ['see https://docs.vllm.ai/en/latest/usage.html', 'see https://docs.vllm.ai/en/latest/usage.html'],
    ['/usr/lib/python3/x.py', '/usr/lib/python3/x.py'],
    ['no space in /tmp, /dev/shm and /var/lib/headgate', 'no space in /tmp, /dev/shm and /var/lib/headgate'],
    ['/proc/self/limits, /sys/fs/cgroup/memory.max and /dev/nvidia0', '/proc/self/limits, /sys/fs/cgroup/memory.max and /dev/nvidia0'],
    ['/usr/local/bin/headgate reads /etc/headgate/headgate.yaml', '/usr/local/bin/headgate reads …/headgate.yaml'],
    ['at /opt/headgate/dist/scripts/headgate.js:3:1', 'at …/scripts/headgate.js:3:1'],
    // A folder that everybody has may hold one that is named after a client.
    ['no file /opt/acme-bank/weights', 'no file /opt/<path #1, 17 characters>'],
    ['/tmp/acme-bank.sock, /etc/acme-bank/ca.pem', '/tmp/<path #1, 14 characters>, /etc/<path #2, 16 characters>'],
    ['/var/lib/headgate/acme-bank/x', '/var/lib/headgate/<path #1, 11 characters>'],
    ['/proc/1/root/acme-bank', '<path #1, 22 characters>'],
    ['/dev/acme-bank/x, /usr/local/acme-bank', '<path #1, 16 characters>, /usr/local/<path #2, 9 characters>'],
    ['/home/bob/headgate/acme-bank/x.py', '<path #1, 33 characters>'],
    ['/acme-bank is full', '<path #1, 10 characters> is full'],
    ['/home/bob/venv/lib/site-packages/vllm/engine.py', '…/site-packages/vllm/engine.py'],
    ['2026-01-02T03:04:05Z 00:00:01<00:02 worker-1 is ready', '2026-01-02T03:04:05Z 00:00:01<00:02 worker-1 is ready'],
  ])('%s', async (text, shown) => expect((await veilOver([])).text(text)).toBe(shown));

  it('has no known secret in any spelling', async () => {
    const secret = 'p@ss/wörd+"9"';
    const veil = await veilOver([{ kind: 'secret', text: secret }]);
    const basic = (user: string) => Buffer.from(`${user}:${secret}@more`).toString('base64');
    for (const spelt of [
      secret,
      encodeURIComponent(secret),
      JSON.stringify(secret).slice(1, -1),
      Buffer.from(secret).toString('hex'),
      Buffer.from(secret).toString('base64'),
      Buffer.from(secret).toString('base64url'),
    ])
      expect(veil.text(`it is ${spelt} there`)).not.toContain(spelt);
    for (const user of ['a', 'ab', 'abc']) {
      const inner = basic(user).slice(8, -12);
      expect(inner.length).toBeGreaterThan(6);
      expect(veil.text(`x ${basic(user)} y`)).not.toContain(inner);
    }
  });

  it('gives one number to one text, and another to another', async () => {
    const veil = await veilOver([{ kind: 'host', text: 'db-7' }]);
    expect(veil.text('db-7, db-7 and 10.0.0.1')).toBe('<host #1, 4 characters>, <host #1, 4 characters> and <address #1, 8 characters>');
    expect(veil.text('db-71')).toBe('db-71');
    expect(veil.text('10.0.0.2')).toBe('<address #2, 8 characters>');
  });

  it('is cut, and takes no longer than its length', async () => {
    const veil = await veilOver([]);
    for (const bad of ['/a'.repeat(500_000), 'a.'.repeat(500_000), '1:'.repeat(500_000), 'aA1'.repeat(300_000), '@'.repeat(1_000_000)])
      expect(veil.text(bad).length).toBeLessThan(2_000);
  });

  it('stays JSON when a secret stands in it', async () => {
    const veil = await veilOver([
      { kind: 'secret', text: 'abcdefgh\\' },
      { kind: 'secret', text: '12345678' },
    ]);
    for (const value of [{ a: 'abcdefgh\\' }, { a: 'abcdefgh\\"' }, { a: 12345678 }, ['x abcdefgh\\n']])
      expect(() => JSON.parse(veil.last(JSON.stringify(value, null, 2))) as unknown).not.toThrow();
  });
});

import { execFile } from 'node:child_process';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { startFakeVllm } from '../support/fake-vllm.ts';
import { until } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';
import { run } from '../support/process.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** `headgate key …` in that folder, with that on its standard input. */
function key(cwd: string, args: readonly string[], input = ''): Promise<Said> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [CLI, 'key', ...args], { cwd }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
    child.stdin!.end(input);
  });
}

test('a key is made, pasted into the file, holds within a second, and is over when it is taken out', { timeout: 120_000 }, async () => {
  const folder = scratchFolder();
  const file = join(folder, 'keys.yaml');
  await using worker = await startFakeVllm();
  const port = await freePort();
  const settings = { workers: [{ url: worker.url }], server: { port }, auth: { keys_file: 'keys.yaml' }, shutdown: { settle_ms: 0 } };
  writeFileSync(join(folder, 'headgate.yaml'), JSON.stringify(settings));
  writeFileSync(file, 'keys:\n');
  await using gateway = run(process.execPath, [CLI, 'gateway'], { cwd: folder });
  await gateway.prints(/Headgate is ready on/);
  const statusWith = async (secret: string): Promise<number> => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${secret}` };
    const body = '{"model":"m","messages":[{"role":"user","content":"hi"}]}';
    return (await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, { method: 'POST', headers, body })).status;
  };

  const made = await key(folder, ['new', 'app-a', '--models', 'm,gpt-*', '--expires', '90d']);
  expect(made.code).toBe(0);
  const secret = /^ {2}(hg-[\w-]{43})$/m.exec(made.out)![1]!;
  const line = /^ {2}(- \{ name: "app-a", .*\})$/m.exec(made.out)![1]!;
  expect(line).not.toContain(secret);
  expect(await statusWith(secret)).toBe(401);
  appendFileSync(file, `  ${line}\n`);
  await until(async () => (await statusWith(secret)) === 200, 'it holds');

  const listed = await key(folder, ['list']);
  expect(listed.out).toMatch(
    /^NAME +SHA-256 +PRIORITY +EXPIRES +ADMIN +MODELS +LIMITS +FROM\napp-a +[0-9a-f]{8} +interactive +20\S+ +no +m gpt-\* +none +keys\.yaml\n$/,
  );
  const known = await key(folder, ['check'], `${secret}\n`);
  expect(known).toMatchObject({ code: 0, err: '' });
  expect(known.out).toContain('This is the key of app-a');
  expect(await key(folder, ['check'], 'hg-other\n')).toMatchObject({ code: 1, out: 'This is not the one key that is set.\n' });

  // A mistake changes nothing.
  appendFileSync(file, '  - { name: app-a }\n');
  const [told] = await gateway.prints(/The keys in keys\.yaml are not taken[^\n]*/);
  expect(told).toContain('keys.yaml:3:');
  expect(await statusWith(secret)).toBe(200);
  const checked = run(process.execPath, [CLI, 'check'], { cwd: folder });
  expect(await checked.exited).toBe(64);
  expect(checked.output()).toContain('keys.yaml:3:');

  writeFileSync(file, 'keys: []\n');
  await until(async () => (await statusWith(secret)) === 401, 'it is over');
  expect(gateway.output()).not.toContain(secret);
});

test('what is asked of `headgate key` wrongly is told in a line', { timeout: 60_000 }, async () => {
  const folder = scratchFolder();
  writeFileSync(join(folder, 'headgate.yaml'), 'auth: { keys: [{ name: a, key: hg-sixteen-letters }] }\n');
  for (const [args, message] of [
    [['new'], 'NAME is missing'],
    [['new', 'a'], 'there is a key a already'],
    [['new', 'b c'], 'NAME: expected a name of'],
    [['new', 'b', '--expires', 'soon'], '--expires: expected a number of days'],
    [['nwe', 'b'], 'did you mean new?'],
    [['check', 'hg-sixteen-letters'], 'read from standard input'],
    [['list', 'b'], 'unexpected argument b'],
    [[], 'new|list|check is missing'],
  ] as const) {
    const said = await key(folder, args);
    expect(said.code, args.join(' ')).toBe(2);
    expect(said.err).toContain(message);
    expect(said.out).toBe('');
  }
  const asJson = await key(folder, ['new', 'b', '--json', '--admin', '--batch']);
  expect(JSON.parse(asJson.out)).toMatchObject({ name: 'b', admin: true, priority: 'batch', key: expect.stringMatching(/^hg-/) });
});

import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { AdminKeys } from '../../../gateway/http/pages/admin-answers.ts';
import { AS_ADMIN } from '../../support/admin.ts';
import { startFakeVllm } from '../../support/fake-vllm.ts';
import { startTestGateway, until } from '../../support/gateway.ts';

const IN_SETTINGS = 'hg-a-key-of-the-settings';
const IN_FILE = 'hg-a-key-of-the-file-of-keys';
const DIGEST = createHash('sha256').update(IN_FILE).digest('hex');

test('keys of the settings and of the keys file are listed as they are now, with their limits and nothing secret', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-keys-'));
  const file = join(folder, 'keys.yaml');
  const write = (...names: string[]) =>
    writeFileSync(file, JSON.stringify({ keys: names.map((name) => ({ name, key_sha256: name === 'night' ? DIGEST : sha(name) })) }));
  write('night');
  await using worker = await startFakeVllm();
  const limits = { requests_per_minute: 60 };
  await using gateway = await startTestGateway([worker.url], {
    auth: { keys: [{ name: 'app', key: IN_SETTINGS, limits, on_limit: 'wait' }], keys_file: file },
    limits: { default: { tokens_per_day: 5_000 } },
  });
  const read = async () => {
    const answer = await fetch(`${gateway.url}/admin/keys`, { headers: AS_ADMIN });
    const text = await answer.text();
    for (const secret of [IN_SETTINGS, IN_FILE, DIGEST, sha(IN_SETTINGS), 'sha256']) expect(text).not.toContain(secret);
    return JSON.parse(text) as AdminKeys;
  };
  expect(await read()).toMatchObject({
    keys: [
      { name: 'app', from: 'settings', on_limit: 'wait', limits: { requests_per_minute: 60, tokens_per_day: null } },
      { name: 'night', from: file, expired: false, limits: { requests_per_minute: null, tokens_per_day: 5_000 } },
    ],
    ...{ total: 2, open: false, usage_kept: true },
  });
  write('night', 'new');
  await until(async () => (await read()).keys.some(({ name }) => name === 'new'), 'the key that was written since');
  expect((await fetch(`${gateway.url}/admin/keys`)).status).toBe(401);
  rmSync(folder, { recursive: true });
});

function sha(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

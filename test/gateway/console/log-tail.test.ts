import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { logTail } from '../../../gateway/console/log-tail.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-tail-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function tailOf(text: string): Promise<readonly string[]> {
  const path = join(folder, 'engine.log');
  writeFileSync(path, text);
  return logTail(path);
}

test('a secret is found whatever colors stand in it', async () => {
  const lines = [
    'HF_TOKEN\u001b[0m=\u001b[33mPLANTEDB12345678\u001b[0m end',
    'hf_\u001b[0mESCPLANTEDabcdef12345678',
    'sk\u00ad-proj-PLANTEDC12345678',
  ];
  const tail = await tailOf(`${lines.join('\n')}\n`);
  expect(tail).toHaveLength(3);
  expect(tail.join(' ')).not.toContain('PLANTED');
});

test('a huge line is cut, says so, and leaves room for others', async () => {
  const tail = await tailOf(`first\n${'y'.repeat(100_000)} hf_PLANTEDabcdef12345678\nlast\n`);
  expect(tail).toEqual(['first', `${'y'.repeat(1_000)}… (${100_000 - 1_000 + ' [redacted]'.length} more characters)`, 'last']);
});

test('no more than the last two hundred lines, and none where there is no file', async () => {
  const tail = await tailOf(Array.from({ length: 500 }, (_, i) => `line ${i}\n`).join(''));
  expect([tail.length, tail[0], tail.at(-1)]).toEqual([200, 'line 300', 'line 499']);
  expect(await logTail(join(folder, 'none'))).toEqual([]);
});

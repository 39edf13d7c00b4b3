import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const WRAPPER = fileURLToPath(new URL('../../headgate', import.meta.url));
/** A system with a shell and no Node at all. */
const env = { PATH: '/usr/bin:/bin' };

describe('./headgate in a checkout', () => {
  test('takes the Node that the checkout brings, from any folder and through links', () => {
    const cwd = mkdtempSync(join(tmpdir(), 'headgate-wrapper-'));
    symlinkSync(WRAPPER, join(cwd, 'hg'));
    const version = execFileSync('./hg', ['--version'], { cwd, env, encoding: 'utf8' });
    expect(version).toMatch(/^headgate \d/);
  });

  test('says what is missing where nothing is installed', () => {
    const cwd = mkdtempSync(join(tmpdir(), 'headgate-wrapper-'));
    copyFileSync(WRAPPER, join(cwd, 'headgate'));
    const { status, stderr } = spawnSync('./headgate', ['--version'], { cwd, env, encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stderr).toContain('run "npm ci" there first');
  });
});

test('help tells each command its own flags, apart from the settings that matter to it', () => {
  const help = (...command: string[]): string => execFileSync(WRAPPER, ['help', ...command], { env, encoding: 'utf8' });
  expect(help()).toMatch(/ {2}status \[--json\] \[--watch\] +Workers, queue/);
  expect(help('status')).toMatch(/Its own flags:\n {2}--json .*\n {2}--watch [^]*Settings .*:\n {2}--config FILE/);
  expect(help('status')).not.toContain('--window-ms');
  expect(help('serve')).toContain('--window-ms N');
});

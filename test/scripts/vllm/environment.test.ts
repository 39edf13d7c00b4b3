import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { environmentAt, installedEnvironments, installedVersion } from '../../../scripts/vllm/environment.ts';
import { ensureEnvironment } from '../../../scripts/vllm/make-environment.ts';

const ROOT = mkdtempSync(join(tmpdir(), 'headgate-vllm-'));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));

/** An environment as an installation leaves it, without anything that runs. */
function pretend(folder: string, version: string): void {
  mkdirSync(join(folder, 'bin'), { recursive: true });
  writeFileSync(join(folder, 'bin/vllm'), '');
  mkdirSync(join(folder, `lib/python3.11/site-packages/vllm-${version}+cpu.dist-info`), { recursive: true });
}

describe('the environment of a real vLLM', () => {
  test('lies below the caches of the user, or where a variable says', () => {
    expect(environmentAt('0.32.0', { XDG_CACHE_HOME: '/caches' }).folder).toBe('/caches/headgate/vllm-0.32.0');
    expect(environmentAt('0.32.0', { XDG_CACHE_HOME: '/caches', HEADGATE_VLLM_ENV: '/mine' }).folder).toBe('/mine');
  });

  test('is there only when vLLM is in it under the name that it looks itself up by', () => {
    const environment = environmentAt('0.32.0', { HEADGATE_VLLM_ENV: join(ROOT, 'one') });
    expect(installedVersion(environment)).toBeNull();
    pretend(environment.folder, '0.32.0');
    expect(installedVersion(environment)).toBe('0.32.0');
  });

  test('of every version is found', () => {
    for (const version of ['0.24.0', '0.32.0']) pretend(join(ROOT, `headgate/vllm-${version}`), version);
    mkdirSync(join(ROOT, 'headgate/vllm-half'), { recursive: true });
    expect(installedEnvironments({ XDG_CACHE_HOME: ROOT }).map(installedVersion)).toEqual(['0.24.0', '0.32.0']);
  });

  test('that holds another version is not touched, and the way out is named', async () => {
    const folder = join(ROOT, 'other');
    pretend(folder, '0.24.0');
    const making = ensureEnvironment(environmentAt('0.32.0', { HEADGATE_VLLM_ENV: folder }), '0.32.0', {
      limitMs: 1000,
      say: () => undefined,
    });
    await expect(making).rejects.toThrow(/holds vLLM 0\.24\.0, not 0\.32\.0: name another folder by HEADGATE_VLLM_ENV/);
  });
});

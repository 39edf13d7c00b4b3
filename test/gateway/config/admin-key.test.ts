import { execFile } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { adminKey, adminKeyFile, findAdminKey } from '../../../gateway/config/admin-key.ts';
import { defaultSettings, type Settings } from '../../../gateway/config/schema/settings.ts';
import { scratchFolder } from '../../supervisor/support/scratch.ts';

const isRoot = process.getuid?.() === 0;
const settings = defaultSettings();

function withState(state_dir: string): Settings {
  return { ...settings, supervisor: { ...settings.supervisor, state_dir } };
}

describe('without a key in the settings', () => {
  test('one is made in the state folder, for this user alone, and is the same from then on', () => {
    const cwd = scratchFolder();
    const made = adminKey(settings, cwd);
    const file = join(cwd, '.headgate', 'admin.key');
    expect(made).toEqual({ kind: 'file', file, key: expect.stringMatching(/^[\w-]{43}$/), warning: null });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(join(cwd, '.headgate')).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(cwd, '.headgate'))).toEqual(['admin.key']);
    expect(adminKey(settings, cwd)).toEqual(made);
    expect(findAdminKey(settings, cwd)).toEqual(made);
    expect(adminKey(settings, scratchFolder())).not.toMatchObject({ key: (made as { key: string }).key });
  });

  test('gateways that start at once have the same', async () => {
    const cwd = scratchFolder();
    const program = `import { adminKey } from ${JSON.stringify(import.meta.resolve('../../../gateway/config/admin-key.ts'))};
      import { defaultSettings } from ${JSON.stringify(import.meta.resolve('../../../gateway/config/schema/settings.ts'))};
      console.log(adminKey(defaultSettings(), ${JSON.stringify(cwd)}).key);`;
    const start = () => promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
    const keys = (await Promise.all([start(), start(), start()])).map(({ stdout }) => stdout.trim());
    expect(new Set([...keys, (adminKey(settings, cwd) as { key: string }).key]).size).toBe(1);
    expect(keys[0]).toHaveLength(43);
    expect(readdirSync(join(cwd, '.headgate'))).toEqual(['admin.key']);
  });

  test('who only asks makes none', () => {
    const cwd = scratchFolder();
    expect(findAdminKey(settings, cwd)).toBeNull();
    expect(readdirSync(cwd)).toEqual([]);
  });

  test('it lies in the state folder that is set, from here or from the root', () => {
    expect(adminKeyFile(withState('state'), '/srv')).toBe('/srv/state/admin.key');
    expect(adminKeyFile(withState('/var/lib/headgate'), '/srv')).toBe('/var/lib/headgate/admin.key');
  });

  test('one that somebody has put there is taken, with or without a line end, or by a link', () => {
    const cwd = scratchFolder();
    mkdirSync(join(cwd, '.headgate'));
    writeFileSync(join(cwd, 'elsewhere'), 'sixteen-visibles\r\n', { mode: 0o600 });
    symlinkSync(join(cwd, 'elsewhere'), join(cwd, '.headgate', 'admin.key'));
    expect(adminKey(settings, cwd)).toMatchObject({ kind: 'file', key: 'sixteen-visibles', warning: null });
  });

  test.each([
    [0o600, null],
    [0o640, null],
    [0o644, expect.stringContaining('chmod 600')],
    [0o620, expect.stringContaining('chmod 600')],
  ])('with mode %o it is used, and what is wrong with that is told', (mode, warning) => {
    const cwd = scratchFolder();
    const { file } = adminKey(settings, cwd) as { file: string };
    chmodSync(file, mode);
    expect(adminKey(settings, cwd)).toMatchObject({ kind: 'file', warning });
  });

  test.each(['', 'short', 'two words that are long enough', 'x'.repeat(600)])('the text %j is no key, and stays as it is', (text) => {
    const cwd = scratchFolder();
    mkdirSync(join(cwd, '.headgate'));
    writeFileSync(join(cwd, '.headgate', 'admin.key'), text);
    const problem = expect.stringMatching(/admin\.key does not hold a key.*: remove it.* HEADGATE_ADMIN__KEY\.$/);
    expect(adminKey(settings, cwd)).toEqual({ kind: 'none', problem });
    expect(readFileSync(join(cwd, '.headgate', 'admin.key'), 'utf8')).toBe(text);
  });

  test('a state folder that cannot be made or written to is told with advice, and nothing is thrown', () => {
    const cwd = scratchFolder();
    writeFileSync(join(cwd, 'file'), '');
    expect(adminKey(withState('file'), cwd)).toEqual({
      kind: 'none',
      problem: expect.stringMatching(/\(ENOTDIR\): let supervisor\.state_dir be a folder.* HEADGATE_ADMIN__KEY\.$/),
    });
    // Not even root can write there.
    expect(adminKey(withState('/sys/headgate'), cwd)).toEqual({
      kind: 'none',
      problem: expect.stringMatching(/^No admin key could be made in \/sys\/headgate\/admin\.key \(\w+\): .* HEADGATE_ADMIN__KEY\.$/),
    });
  });

  test.runIf(isRoot)('a file that another user has put into a folder of ours is not believed', () => {
    const cwd = scratchFolder();
    const { file } = adminKey(settings, cwd) as { file: string };
    chownSync(file, 65_534, 65_534);
    expect(adminKey(settings, cwd)).toEqual({ kind: 'none', problem: expect.stringMatching(/belongs to another user \(65534\)/) });
    // The owner of the folder is who runs the gateway; root may ask it.
    chownSync(join(cwd, '.headgate'), 65_534, 65_534);
    expect(findAdminKey(settings, cwd)).toMatchObject({ kind: 'file' });
  });
});

test('a key in the settings is the key, and no file is made or read', () => {
  const cwd = scratchFolder();
  const own = { ...settings, admin: { ...settings.admin, key: 'sixteen-visibles' } };
  expect(adminKey(own, cwd)).toEqual({ kind: 'set', key: 'sixteen-visibles' });
  expect(findAdminKey(own, cwd)).toEqual({ kind: 'set', key: 'sixteen-visibles' });
  expect(readdirSync(cwd)).toEqual([]);
});

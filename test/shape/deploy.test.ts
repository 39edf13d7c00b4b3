import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { EXIT_INVALID } from '../../gateway/config/exit-codes.ts';
import { defaultSettings } from '../../gateway/config/schema/settings.ts';
import { COMMANDS } from '../../scripts/commands/table.ts';

const FOLDER = fileURLToPath(new URL('../../deploy/systemd', import.meta.url));

describe.each(readdirSync(FOLDER))('%s', (name) => {
  const unit = readFileSync(join(FOLDER, name), 'utf8');
  const value = (key: string): string | undefined => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1];

  test('starts a command that there is, with flags that it has', () => {
    const [program, command, ...flags] = value('ExecStart')!.split(' ');
    expect(program).toMatch(/^\/.*\/headgate$/);
    const known = COMMANDS.find((each) => each.name === command)!;
    for (const flag of flags) expect(known.flags.map(([own]) => own)).toContain(flag);
  });

  test('is not ended before what runs has had its time, and not started again with settings that are wrong', () => {
    const { settle_ms, grace_ms } = defaultSettings().shutdown;
    expect(Number(value('TimeoutStopSec')) * 1_000).toBeGreaterThan(settle_ms + grace_ms);
    expect(value('RestartPreventExitStatus')).toBe(String(EXIT_INVALID));
  });
});

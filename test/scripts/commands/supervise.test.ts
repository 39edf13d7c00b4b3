import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const CLI = fileURLToPath(new URL('../../../scripts/headgate.ts', import.meta.url));

/** What a supervisor prints that cannot run: its state folder is a file. */
function printedBy(log: object): string {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-supervise-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'taken'), '');
  writeFileSync(join(folder, 'headgate.yaml'), JSON.stringify({ log, supervisor: { engine: 'sim', state_dir: 'taken' } }));
  const { stdout, status } = spawnSync(process.execPath, [CLI, 'supervise'], { cwd: folder, encoding: 'utf8', timeout: 180_000 });
  expect(status).toBe(1);
  return stdout;
}

test("the supervisor's lines are as the gateway's: the same keys in the same order", () => {
  const line = JSON.parse(printedBy({}));
  expect(Object.keys(line)).toEqual(['level', 'time', 'event', 'msg']);
  expect(line).toMatchObject({ level: 'error', event: 'supervisor.failed', msg: expect.stringContaining('supervisor.state_dir') });
});

test("the supervisor's lines heed the format and the level of the settings", () => {
  expect(printedBy({ format: 'pretty' })).toMatch(/^\d\d:\d\d:\d\d\.\d{3}Z ERROR supervisor\.failed · The supervisor cannot run: /);
  expect(printedBy({ level: 'fatal' })).toBe('');
});

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { answers, startFakeVllm } from '../support/fake-vllm.ts';
import { allReady, startTestGateway } from '../support/gateway.ts';
import { ADMIN_KEY } from '../support/admin.ts';
import { run } from '../support/process.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'headgate-gate-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Result {
  readonly may_release: boolean;
  readonly verdict: string;
  readonly profiles: readonly { profile: string; skipped?: string; verdicts?: { criterion: string; outcome: string }[] }[];
}

test('a server goes through the gate, by the command, and the result is on record', { timeout: 120_000 }, async () => {
  await using one = await startFakeVllm();
  await using two = await startFakeVllm();
  one.script = two.script = answers.stream(['a', 'b', 'c', 'd'], 5);
  await using gateway = await startTestGateway([one.url, two.url]);
  await allReady(gateway);
  const flags = [
    '--quick',
    '--only',
    'cancel,fair,drain,soak',
    '--soak',
    '5s',
    '--capacity',
    '10',
    '--admin-key',
    ADMIN_KEY,
    '--out',
    folder,
  ];
  await using gate = run(process.execPath, [CLI, 'release-gate', gateway.url, ...flags], { cwd: folder });
  await gate.prints(/FAIR skipped: it needs the keys of two clients/);
  await gate.prints(/(It may be released|Not to be released) by preset personal/);
  const result = JSON.parse(readFileSync(join(folder, 'result.json'), 'utf8')) as Result;
  expect(result.profiles.map(({ profile }) => profile)).toEqual(['cancel', 'fair', 'drain', 'soak']);
  const verdicts = result.profiles.flatMap((each) => each.verdicts ?? []);
  const of = (criterion: string) => verdicts.find((each) => each.criterion === criterion)?.outcome;
  expect(of('every worker in turn')).toBe('passed');
  expect(of('no broken stream')).toBe('passed');
  expect(of('nobody else harmed')).toBe('passed');
  // Seconds say nothing of an hour, and stand in nobody's way.
  expect(of('memory')).toBe('open');
  expect(of('errors over the soak')).toBe('passed');
  expect(result.verdict).toContain('Skipped, and so not shown: FAIR.');
  expect(result.verdict).toContain('memory (SOAK)');
  expect(result.may_release).toBe(verdicts.every(({ outcome }) => outcome !== 'failed'));
  expect(readFileSync(join(folder, 'report.html'), 'utf8')).toContain('Release gate: m');
});

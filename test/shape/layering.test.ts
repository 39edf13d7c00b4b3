import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

// The linter holds the layering of the real sources in `npm test`. Here it is shown that it would notice: a rule whose pattern matches
// nothing passes just as quietly as one that is kept.

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FORBIDDEN = [
  ['gateway/core/a.ts', '../openai/peek.ts'],
  ['gateway/openai/a.ts', '../policies/relay.ts'],
  ['gateway/openai/a.ts', 'undici'],
  ['gateway/policies/a.ts', '../telemetry/metrics.ts'],
  ['gateway/policies/a.ts', '../workers/directory.ts'],
  ['gateway/policies/a.ts', 'node:http'],
  ['gateway/telemetry/a.ts', '../policies/relay.ts'],
  ['gateway/workers/a.ts', '../openai/peek.ts'],
  ['gateway/config/a.ts', '../policies/relay.ts'],
  ['gateway/http/a.ts', '../workers/directory.ts'],
  ['gateway/http/a.ts', '../main.ts'],
  ['gateway/main.ts', '../supervisor/main.ts'],
  ['gateway/pipeline.ts', './http/server.ts'],
  ['supervisor/worker.ts', '../gateway/policies/relay.ts'],
  ['supervisor/machine.ts', 'node:fs'],
  ['supervisor/failure.ts', 'node:fs'],
  ['gateway/commands/a.ts', '../../test/support/gateway.ts'],
] as const;

let tree: string;
let complaints: string;

beforeAll(() => {
  tree = mkdtempSync(join(tmpdir(), 'headgate-layers-'));
  copyFileSync(join(ROOT, '.oxlintrc.json'), join(tree, '.oxlintrc.json'));
  symlinkSync(join(ROOT, 'node_modules'), join(tree, 'node_modules'));
  FORBIDDEN.forEach(([file, target], at) => {
    // One folder a case, since several cases concern one file.
    const path = join(tree, `case${at}`, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `import { thing } from '${target}';\nthing();\n`);
    copyFileSync(join(ROOT, '.oxlintrc.json'), join(tree, `case${at}`, '.oxlintrc.json'));
  });
  complaints = FORBIDDEN.map((_, at) => lint(join(tree, `case${at}`))).join('\u0000');
});

afterAll(() => rmSync(tree, { recursive: true, force: true }));

test.for(FORBIDDEN.map(([file, target], at) => [file, target, at] as const))('%s may not import %s', ([, , at]) => {
  expect(complaints.split('\u0000')[at]).toContain('no-restricted-imports');
});

function lint(folder: string): string {
  try {
    execFileSync(join(ROOT, 'node_modules/.bin/oxlint'), ['-c', join(folder, '.oxlintrc.json'), '--format', 'json'], {
      cwd: folder,
      stdio: 'pipe',
    });
    return '';
  } catch (error) {
    return String((error as { stdout: Buffer }).stdout);
  }
}

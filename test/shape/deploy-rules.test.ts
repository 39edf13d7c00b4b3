import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { scratchFolder } from '../supervisor/support/scratch.ts';
import { documents } from './deploy/kustomize.ts';
import { mistyped } from './deploy/typed.ts';

// The commands of deploy/README.md by which rules and dashboards come into a cluster, and the runbooks' address into the rules.

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGE = readFileSync(join(ROOT, 'deploy/README.md'), 'utf8');
const RUNBOOKS = readdirSync(join(ROOT, 'deploy/runbooks'));

interface Rules {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly groups: readonly { readonly rules: readonly { readonly annotations?: { readonly runbook_url: string } }[] }[] };
}

function addressesOf({ groups }: Rules['spec']): string[] {
  return groups.flatMap(({ rules }) => rules.flatMap(({ annotations }) => annotations?.runbook_url ?? []));
}

const PAGES = RUNBOOKS.map((name) => `https://YOUR-HOST/PATH/${name}`).toSorted();

test('what stands there for a cluster makes rules that its types know, and hands out every dashboard', { timeout: 60_000 }, () => {
  const script = /```sh\n(for name in recording[^]*?)```/.exec(PAGE)![1]!;
  const folder = scratchFolder();
  // In place of kubectl: writes down what it is asked, and what it is to apply.
  const kubectl = join(folder, 'kubectl');
  writeFileSync(
    kubectl,
    `#!/bin/sh\necho "$*" >> ${folder}/asked\ncase "$*" in *apply*) { echo ---; cat; } >> ${folder}/applied.yaml ;; esac\n`,
  );
  chmodSync(kubectl, 0o755);
  execFileSync('sh', ['-euc', script], { cwd: ROOT, env: { ...process.env, PATH: `${folder}:${process.env['PATH']}` } });
  const applied = documents(join(folder, 'applied.yaml')).filter((each) => each !== null) as Rules[];
  expect(applied.map(({ metadata }) => `${metadata.name.replace('headgate-', '')}.yml`).toSorted()).toEqual(
    readdirSync(join(ROOT, 'deploy/prometheus/rules')).toSorted(),
  );
  expect(mistyped({ applied })).toEqual({ applied: [] });
  expect(applied.flatMap(({ spec }) => addressesOf(spec)).toSorted()).toEqual(PAGES);
  const asked = readFileSync(join(folder, 'asked'), 'utf8').trim().split('\n');
  expect(asked.every((line) => line.startsWith('--namespace headgate '))).toBe(true);
  expect(asked).toContain('--namespace headgate create configmap headgate-dashboards --from-file deploy/grafana');
});

test.skipIf(spawnSync('kubectl').error !== undefined)('kubectl takes the dashboards as one object', () => {
  const printed = execFileSync(
    'kubectl',
    ['create', 'configmap', 'x', '--from-file', 'deploy/grafana', '--dry-run=client', '--output', 'json'],
    {
      cwd: ROOT,
      encoding: 'utf8',
    },
  );
  const { data } = JSON.parse(printed) as { data: Record<string, string> };
  expect(Object.keys(data).toSorted()).toEqual(readdirSync(join(ROOT, 'deploy/grafana')).toSorted());
});

test.each([
  ['deploy/README.md', PAGE],
  ['the rules themselves', readFileSync(join(ROOT, 'deploy/prometheus/rules/alerts.yml'), 'utf8')],
])('the sed of %s puts the address of the runbooks into every alert', (_, text) => {
  const expression = /sed -i '(s\|https:\/\/runbooks[^']*)'/.exec(text)![1]!;
  const folder = scratchFolder();
  const file = join(folder, 'alerts.yml');
  writeFileSync(file, execFileSync('sed', [expression, 'deploy/prometheus/rules/alerts.yml'], { cwd: ROOT }));
  const [{ groups }] = documents(file) as [Rules['spec']];
  expect(addressesOf({ groups }).toSorted()).toEqual(PAGES);
});

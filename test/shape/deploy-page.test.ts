import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ERRORS } from '../../gateway/core/errors.ts';
import { documents } from './deploy/kustomize.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGE = readFileSync(join(ROOT, 'deploy/README.md'), 'utf8');
const MEBIBYTES = 1024;

/** The rows of the table whose head begins so, a list of cells each, without the marks of code. */
function rows(head: string): string[][] {
  const lines = PAGE.slice(PAGE.indexOf(`| ${head} |`)).split('\n');
  const end = lines.findIndex((line) => !line.startsWith('|'));
  return lines.slice(2, end).map((line) =>
    line
      .replaceAll('`', '')
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

interface Model {
  readonly id: string;
  readonly variant: string;
  readonly wanted: boolean;
  readonly verdict: string;
  readonly weights_gib: number;
  readonly kv_cache_gib: number;
  readonly context_tokens: number;
  readonly concurrency: number;
  readonly command: { readonly argv: string[] } | null;
}

function doctor(profile: string, model?: string): { title: string; models: Model[] } {
  const printed = execFileSync(
    join(ROOT, 'headgate'),
    ['doctor', '--profile', profile, '--json', ...(model === undefined ? [] : ['--model', model])],
    { encoding: 'utf8' },
  );
  const report = JSON.parse(printed) as { profile: { title: string }; models: Model[] };
  return { title: report.profile.title, models: report.models };
}

describe('deploy/README.md', () => {
  test('tells of each error what it is to an operator', () => {
    const said = rows('error');
    const there = Object.entries(ERRORS).map(([kind, { status, code, reason }]) => [kind, String(status), code, reason]);
    expect(said.map((row) => row.slice(0, 4))).toEqual(there);
    for (const row of said) for (const cell of row.slice(4)) expect(cell, row[0]).toMatch(/\S.*\.$/);
  });

  const SIZES = rows('card');
  test.each(SIZES.map((row) => [row[0], row] as const))('has the sizes of %s as doctor reckons them', { timeout: 30_000 }, (_, row) => {
    const [card, overlay, model, ...figures] = row as [string, string, string];
    const profile = overlay.slice('overlays/'.length);
    expect(existsSync(join(ROOT, 'deploy/kubernetes', overlay)), overlay).toBe(true);
    const { title, models } = doctor(profile);
    const own = models.find(({ wanted }) => wanted)!;
    const { argv } = own.command!;
    const others = models.filter(({ wanted, verdict }) => !wanted && verdict === 'fits').map(({ id }) => id);
    expect([card, model]).toEqual([title, `${own.id} ${own.variant}`]);
    const sizes = [own.weights_gib, own.kv_cache_gib, own.context_tokens, argv[argv.indexOf('--max-num-seqs') + 1]];
    expect(figures).toEqual([...sizes.map(String), own.concurrency.toFixed(1), others.join(', ')]);
    // What the overlay asks for holds the weights, and what the page says beside them.
    const patch = readFileSync(join(ROOT, 'deploy/kubernetes', overlay, 'kustomization.yaml'), 'utf8');
    const [memory, limit] = [...patch.matchAll(/memory\n\s+value: (\d+)Gi/g)].map(([, size]) => Number(size));
    expect(memory).toBeGreaterThanOrEqual(own.weights_gib + 5.5);
    expect(limit! * MEBIBYTES).toBeGreaterThan(memory! * MEBIBYTES);
  });

  test('has a row for each overlay of a card', () => expect(SIZES.map((row) => row[1]).length).toBe(5));

  test('the vLLM of the fleet is launched as doctor would launch it', { timeout: 30_000 }, () => {
    const [pod] = documents(join(ROOT, 'deploy/kubernetes/bases/vllm/stateful-set.yaml')) as { spec: any }[];
    const args = (pod!.spec.template.spec.containers[0].args as string[]).flatMap((each) => each.split('='));
    const { argv } = doctor('l4').models.find(({ id }) => id === 'llama-3.1-8b-instruct')!.command!;
    // But where it listens, and how long it may take to end.
    const aside = ['vllm', 'serve', '--host', '127.0.0.1', '--port', '8000', '18000', '--shutdown-timeout', '45', '30'];
    const rest = (words: string[]): string[] => words.filter((word) => !aside.includes(word) && !/^18\d{3}$/.test(word)).toSorted();
    expect(rest(args)).toEqual(rest(argv));
  });

  test.each(['l4', 't4'])(
    'the vLLM of the mixed fleet on %s is launched as doctor would launch that model',
    { timeout: 30_000 },
    (profile) => {
      const [pod] = documents(join(ROOT, `deploy/kubernetes/overlays/fleet-mixed/${profile}.yaml`)) as { spec: any }[];
      const args = (pod!.spec.template.spec.containers[0].args as string[]).flatMap((each) => each.split('='));
      const { argv } = doctor(profile, 'llama-3.1-8b-instruct').models.find(({ id }) => id === 'llama-3.1-8b-instruct')!.command!;
      const aside = ['vllm', 'serve', '--host', '127.0.0.1', '--port', '8000', '18000', '--shutdown-timeout', '45', '30'];
      const own = (words: string[]): string[] => words.filter((word) => !aside.includes(word) && !/^18\d{3}$/.test(word)).toSorted();
      expect(own(args)).toEqual(own(argv));
    },
  );
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { planLoad } from '../../../scripts/load/plan-load.ts';
import type { Ground } from '../../../scripts/tune/asked/ground.ts';
import { differences } from '../../../scripts/tune/asked/journal.ts';
import { readTuneOptions, type TuneOptions } from '../../../scripts/tune/asked/options.ts';
import { subjectOf } from '../../../scripts/tune/asked/subject.ts';

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'headgate-tune-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

const GROUND = {
  ...{ cwd: '/', axes: [], tuning: 'balanced', engine: 'sim', engineVersion: null, cards: [] },
  subject: { model: 'm', gpu: 't4', source: 's', base: { title: 'b', engine: {} }, usual: {} },
} as unknown as Ground;

function options(...argv: readonly string[]): TuneOptions {
  const read = readTuneOptions(argv, {});
  if (read.kind !== 'options') throw new Error(JSON.stringify(read));
  return read.options;
}

function subject(...argv: readonly string[]) {
  const asked = options(...argv);
  return subjectOf(GROUND, asked, planLoad(asked.load));
}

const file = (text: string): string => {
  const path = join(folder(), 'prompts.jsonl');
  writeFileSync(path, text);
  return path;
};

test.each([
  [['--extra', '{"temperature": 0}']],
  [['--header', 'x-team: a']],
  [['--endpoint', 'completions']],
  [['--no-stream']],
  [['--timeout', '5s']],
  [['--cancel', '0.5']],
  [['--prefix-groups', '4']],
  [['--output', 'lognormal:64:0.6']],
])('a run with %j is about something else than one without', (flags) => {
  expect(differences(subject(), subject(...flags))).toContain('requests');
  expect(differences(subject(...flags), subject(...flags))).toEqual([]);
});

test('a run with a load of its own is about how its calls come', () => {
  expect(differences(subject('--rate', '3', '--burstiness', '0.5'), subject('--rate', '3', '--burstiness', '0.501'))).toContain('requests');
});

test('files count by what they hold, headers by their values', () => {
  const [one, other] = [file('{"prompt":"a"}\n'), file('{"prompt":"a"}\n')];
  const first = subject('--prompts', one);
  expect(differences(first, subject('--prompts', one))).toEqual([]);
  writeFileSync(one, '{"prompt":"b"}\n');
  expect(differences(first, subject('--prompts', one))).toEqual(['requests']);
  expect(differences(subject('--prompts', one), subject('--prompts', other))).toContain('requests');
  const secret = subject('--header', 'authorization: Bearer secret-1', '--header', 'b: 2');
  expect(differences(secret, subject('--header', 'b: 2', '--header', 'authorization: Bearer secret-1'))).toEqual([]);
  expect(differences(secret, subject('--header', 'authorization: Bearer secret-2', '--header', 'b: 2'))).toEqual(['requests']);
  expect(JSON.stringify(secret)).not.toContain('secret');
});

test('another tuning below, or other weights, are another subject', () => {
  const asked = options();
  const of = (ground: Ground) => subjectOf(ground, asked, planLoad(asked.load));
  const changed = {
    ...GROUND,
    subject: { ...GROUND.subject, base: { title: 'b', engine: { block_size: { set: 16 } } } },
  } as unknown as Ground;
  expect(differences(of(GROUND), of(changed))).toEqual(['settings']);
  expect(differences(of(GROUND), of({ ...GROUND, subject: { ...GROUND.subject, source: 'x' } }))).toEqual(['settings']);
});

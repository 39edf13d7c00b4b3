import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { presetCriteria } from '../../../gateway/canary/criteria.ts';
import { askedCriteria } from '../../../scripts/criteria/read-criteria.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-criteria-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function ofFile(text: string) {
  writeFileSync(join(folder, 'release.yaml'), text);
  return askedCriteria(null, 'release.yaml', folder);
}

describe('presets', () => {
  test('are for one at home, unless another is named', () => {
    expect(askedCriteria(null, null, folder)).toEqual({ criteria: presetCriteria('personal'), from: 'preset personal' });
    expect(presetCriteria('personal').limits).toMatchObject({ p95_ttft_ms: 10_000, p95_e2e_ms: 30_000 });
    expect(presetCriteria('team')).toMatchObject({
      limits: { p95_ttft_ms: 200, p95_e2e_ms: 5_000, error_rate: 0.001 },
      step: { goodput_kept: 0.9 },
      spike: { ttft_ratio: 1.2, recovery_ms: 15_000, refusal_ms: 50 },
      soak: { rss_mb_per_hour: 1, p99_drift: 0.05 },
      drain: { broken_streams: 0 },
      cancel: { settled_ms: 1_000 },
    });
  });

  test('that there are not are refused with the nearest', () => {
    expect(askedCriteria('teem', null, folder)).toEqual(['there is no preset teem; did you mean team?']);
    expect(askedCriteria('x', null, folder)).toEqual(['there is no preset x; there are personal and team']);
    expect(askedCriteria('team', 'x.yaml', folder)).toEqual(['--preset and --criteria are two sets of criteria; choose one']);
  });
});

describe('a file', () => {
  test('has defaults for what it does not name', () => {
    expect(ofFile('limits: { p95_ttft_ms: 700 }\n')).toMatchObject({
      from: 'release.yaml',
      criteria: { limits: { p95_ttft_ms: 700, p95_e2e_ms: null, error_rate: 0.001 }, soak: { rss_mb_per_hour: 1 } },
    });
    expect(ofFile('')).toMatchObject({ criteria: { canary: { min_calls: 30 } } });
  });

  test('is told where it is wrong, all of it', () => {
    expect(ofFile('limits:\n  p95_ttf_ms: 5\n  error_rate: 3\nspik: {}\n')).toEqual([
      'release.yaml:2:3: limits.p95_ttf_ms: unknown key; did you mean p95_ttft_ms?',
      'release.yaml:3:15: limits.error_rate: expected a number from 0 to 1; got 3',
      'release.yaml:4:1: spik: unknown key; did you mean spike?',
    ]);
    expect(ofFile('limits: [')).toEqual([expect.stringMatching(/^release\.yaml:\d+:\d+: not valid YAML/)]);
    expect(askedCriteria(null, 'nowhere.yaml', folder)).toEqual(['nowhere.yaml cannot be read: ENOENT']);
  });
});

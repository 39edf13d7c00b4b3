import { appendFileSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LadderRecord } from '../../../supervisor/worker/ladder-record.ts';
import { LEVEL_GROUND } from '../../../supervisor/ladder/ladder.ts';
import type { Footing } from '../../../supervisor/ladder/ladder.ts';
import type { Relaxation } from '../../../supervisor/ladder/step.ts';
import { oomOf } from '../machine/machine-world.ts';
import { scratchFolder } from '../support/scratch.ts';

const IDENTITY = { worker: 'worker-1', model: 'mine', fingerprint: 'abc', gpuUuids: ['GPU-1'], driverVersion: '580.95' };
const STEP: Relaxation = {
  ...{ setting: 'max_num_seqs', from: '64', to: '32', reason: 'the sampler takes memory for each', class: 'oom-sampler' },
  change: { kind: 'engine', key: 'max_num_seqs', value: 32 },
};
const FOOTING: Footing = { ...LEVEL_GROUND, steps: [STEP], relapses: 1 };

function entry(footing: Footing = FOOTING) {
  const failure = { ...oomOf('oom-sampler'), evidence: { sequences: 64 } };
  return { atMs: 0, change: 'relaxed', step: STEP, failure, measured: { weightsGib: 5.3 }, version: '0.29.0', footing } as const;
}

describe('what was relaxed', () => {
  test('is a line that a person and a program can read', () => {
    const path = join(scratchFolder(), 'ladder', 'worker-1.jsonl');
    new LadderRecord(path, IDENTITY).append(entry());
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({
      ...{ ts: '1970-01-01T00:00:00.000Z', instance: 'worker-1', gpu_uuid: ['GPU-1'], model: 'mine', vllm_version: '0.29.0' },
      ...{ event: 'relaxed', class: 'oom-sampler', phase: 'load', signature_line: 'It said so.' },
      ...{ setting: 'max_num_seqs', from: '64', to: '32', evidence: { sequences: 64 }, measured: { weightsGib: 5.3 } },
    });
  });

  test('stands after a restart as the last line says', () => {
    const path = join(scratchFolder(), 'worker-1.jsonl');
    const record = new LadderRecord(path, IDENTITY);
    expect(record.load()).toEqual({ footing: LEVEL_GROUND, version: null, reset: false });
    record.append(entry({ ...FOOTING, steps: [] }));
    record.append(entry());
    expect(new LadderRecord(path, IDENTITY).load()).toEqual({ footing: FOOTING, version: '0.29.0', reset: false });
  });

  test('stands also where the gateway was to refuse something', () => {
    const path = join(scratchFolder(), 'worker-1.jsonl');
    const change = { kind: 'refusal', feature: 'prompt_logprobs' } as const;
    const step: Relaxation = { ...STEP, setting: 'prompt_logprobs', from: 'allowed', to: 'refused', class: 'oom-runtime', change };
    new LadderRecord(path, IDENTITY).append({ ...entry({ ...FOOTING, steps: [STEP, step] }), step });
    expect(new LadderRecord(path, IDENTITY).load().footing.steps).toEqual([STEP, step]);
  });

  test('stays in force where another version has another name for what it was for', () => {
    const path = join(scratchFolder(), 'worker-1.jsonl');
    const record = new LadderRecord(path, IDENTITY);
    record.append(entry());
    appendFileSync(path, readFileSync(path, 'utf8').replaceAll('oom-sampler', 'oom-of-tomorrow'));
    expect(record.load().footing).toEqual({ ...FOOTING, steps: [{ ...STEP, class: 'unknown' }] });
  });

  test.each([
    ['other settings or another GPU', { fingerprint: 'xyz' }],
    ['another model', { model: 'theirs', fingerprint: 'uvw' }],
    ['another driver', { driverVersion: '590.11' }],
  ])('is forgotten for %s, and that is told', (_, changed) => {
    const path = join(scratchFolder(), 'worker-1.jsonl');
    new LadderRecord(path, IDENTITY).append(entry());
    expect(new LadderRecord(path, { ...IDENTITY, ...changed }).load()).toEqual({ footing: LEVEL_GROUND, version: null, reset: true });
  });

  test('stands where the driver does not tell its version, before or now', () => {
    for (const [before = null, now = null] of [
      [null, '580.95'],
      ['580.95', null],
    ]) {
      const path = join(scratchFolder(), 'worker-1.jsonl');
      new LadderRecord(path, { ...IDENTITY, driverVersion: before }).append(entry());
      expect(new LadderRecord(path, { ...IDENTITY, driverVersion: now }).load()).toMatchObject({ footing: FOOTING, reset: false });
    }
  });

  test('that is half written is passed over rather than believed', () => {
    const path = join(scratchFolder(), 'worker-1.jsonl');
    const record = new LadderRecord(path, IDENTITY);
    record.append(entry());
    appendFileSync(path, '{"fingerprint":"abc","foot');
    expect(record.load().footing).toEqual(FOOTING);
    record.append(entry({ ...FOOTING, relapses: 2 }));
    expect(record.load().footing.relapses).toBe(2);
  });

  test('takes a bounded part of the disk', () => {
    const path = join(scratchFolder(), 'worker-1.jsonl');
    const record = new LadderRecord(path, IDENTITY);
    for (let i = 0; i < 3000; i += 1) record.append(entry());
    expect(record.load().footing).toEqual(FOOTING);
    expect(statSync(path).size).toBeLessThan(1024 * 1024);
    expect(record.load().footing).toEqual(FOOTING);
  });
});

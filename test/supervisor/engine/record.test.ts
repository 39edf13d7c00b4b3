import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { WorkerRecord } from '../../../supervisor/engine/record.ts';
import { readRecords, writeRecord } from '../../../supervisor/engine/record.ts';
import { vramBusy } from '../../../supervisor/failure/failure.ts';
import { scratchFolder } from '../support/scratch.ts';

const lastFailure = vramBusy({ memoryTotalBytes: 16 * 2 ** 30, memoryReservedBytes: 0 }, 2 ** 30, 0.9);
const RECORD: WorkerRecord = {
  ...{ worker: 'worker-1', pid: 7, startTicks: 70, instanceId: 'abc-3', incarnation: 3, loads: 1, port: 18_000, model: 'mine' },
  ...{ gpuUuids: ['GPU-0'], fingerprint: 'f', startedAt: '2026-01-01T00:00:00.000Z', life: 'ready', sleepLevel: 1, stage: 'ready' },
  ...{
    readySince: '2026-01-01T00:01:00.000Z',
    logOffset: 5,
    segments: ['psm_0a1b2c3d'],
    served: [],
    version: '0.29.0',
    lastFailure,
    failedAt: null,
  },
};

/** The record as another version has left it: with other words. */
function readAs(change: (text: string) => string): WorkerRecord[] {
  const folder = scratchFolder();
  writeRecord(folder, RECORD);
  const path = join(folder, 'worker-1.mine.json');
  writeFileSync(path, change(readFileSync(path, 'utf8')));
  return readRecords(folder);
}

describe('the record of a running worker', () => {
  test('is read as it was written, with why it failed before', () => {
    expect(readAs((text) => text)).toEqual([RECORD]);
  });

  test('is of use also where another version has another name for why it failed', () => {
    const renamed = { ...lastFailure, class: 'unknown', signature: 'full/launch' };
    expect(readAs((text) => text.replaceAll('busy-vram', 'full'))).toEqual([{ ...RECORD, lastFailure: renamed }]);
  });

  test('is of use also where why it failed cannot be read', () => {
    expect(readAs((text) => text.replace('"retry":"wait"', '"retry":"pray"'))).toEqual([{ ...RECORD, lastFailure: null }]);
  });
});

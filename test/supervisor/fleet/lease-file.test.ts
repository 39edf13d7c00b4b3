import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readLeases, writeLeases } from '../../../supervisor/fleet/lease-file.ts';
import { scratchFolder } from '../support/scratch.ts';

const OLD = {
  ...({ id: 'one', gpuUuid: 'GPU-a', holder: 'render', state: 'lent', lengthMs: 60_000, lapseMs: null } as const),
  ...{ leftMs: 30_000, untilWallMs: 1e12, models: { 'worker-1': 'm' } },
};

test('a lease that an older supervisor has written down is that of its id alone, with no grace', () => {
  const path = join(scratchFolder(), 'leases.json');
  writeFileSync(path, JSON.stringify([OLD]));
  expect(readLeases(path)).toEqual([{ ...OLD, isNamed: false, graceMs: 0 }]);
  const lease = { ...OLD, isNamed: true, graceMs: 15_000 };
  writeLeases(path, [lease]);
  expect(readLeases(path)).toEqual([lease]);
});

import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { writeWhole } from '../system/write-whole.ts';

const schema = z.array(
  z.object({
    id: z.string(),
    gpuUuid: z.string(),
    holder: z.string(),
    /** An older supervisor says nothing of it, nor of the grace. */
    isNamed: z.boolean().default(false),
    state: z.enum(['preparing', 'lent']),
    lengthMs: z.number(),
    graceMs: z.number().default(0),
    lapseMs: z.number().nullable(),
    leftMs: z.number(),
    untilWallMs: z.number(),
    /** Which model each of its workers had, by the worker's id. */
    models: z.record(z.string(), z.string()),
  }),
);

export type KeptLease = Readonly<z.infer<typeof schema>[number]>;

/** The leases that an earlier supervisor has written down; none where there are none, or the file cannot be read. */
export function readLeases(path: string): readonly KeptLease[] {
  try {
    return schema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return [];
  }
}

/** @throws when the disk does not take it */
export function writeLeases(path: string, leases: readonly KeptLease[]): void {
  writeWhole(path, `${JSON.stringify(leases, null, 2)}\n`);
}

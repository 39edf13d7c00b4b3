import { expect, test } from 'vitest';
import { killsShown } from '../../scripts/shows/kills.ts';

test(
  'a batch outlives kill -9 of gateway, supervisor and engine, in whatever order: each line is there once, and none is blamed for it',
  { timeout: 240_000 },
  async () => {
    // npm run show:batch-kills does so with thirty kills of chance.
    const victims = ['gateway', 'engine core', 'supervisor'] as const;
    const { kills, batch, faults } = await killsShown({ lines: 120, kills: 3, victims, random: Math.random, limitMs: 200_000 });
    expect(kills.map(({ victim }) => victim)).toEqual(victims);
    expect(batch.request_counts).toEqual({ total: 120, completed: 120, failed: 0 });
    expect(faults).toEqual([]);
  },
);

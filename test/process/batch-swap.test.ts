import { join } from 'node:path';
import { expect, test } from 'vitest';
import { AS_ADMIN } from '../support/admin.ts';
import { until } from '../support/gateway.ts';
import { batchOf, ended, inputLine, submit } from '../flow/batch-scene.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';
import { call, FIRST, SECOND, swapHouse, tell } from './swap-house.ts';

const LINES = 30;
const CALLS = 20;
const EVERY_MS = 200;

test(
  'a batch for a model that is not loaded leaves it to those who use the one that is; it is told why, and a file for both changes models once',
  { timeout: 120_000 },
  async () => {
    const own = scratchFolder();
    const stored = { files: { dir: join(own, 'files') }, database: { url: `sqlite:${join(own, 'headgate.db')}` } };
    const { gateway, supervisor } = await swapHouse({ settings: { models: [FIRST, SECOND], ...stored }, policy: { dwellMs: 300 } });
    await using _ = gateway;
    const swaps = (): number => supervisor.log.filter(({ event }) => event === 'model.swap').length;
    const lines = (model: (at: number) => string) => Array.from({ length: LINES }, (__, at) => inputLine(`${at}`, `say ${at}`, model(at)));
    expect(await call(gateway, FIRST)).toMatchObject({ status: 200 });

    const id = await submit(
      gateway.url,
      lines(() => SECOND),
    );
    for (let i = 0; i < CALLS; i++) {
      expect(await call(gateway, FIRST)).toMatchObject({ status: 200, served: FIRST });
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
    expect([swaps(), (await batchOf(gateway.url, id)).request_counts]).toEqual([0, { total: LINES, completed: 0, failed: 0 }]);
    const paused = async () => {
      const answer = await fetch(`${gateway.url}/admin/batches`, { headers: AS_ADMIN });
      return ((await answer.json()) as { batches: { pause: { reason: string } | null }[] }).batches[0]!.pause?.reason;
    };
    // It is lifted for a moment every few seconds.
    await until(async () => (await paused())?.includes(`headgate swap ${SECOND}`) === true, 'operators are told');

    // As they are told.
    expect(await tell(gateway, SECOND, 'load')).toBe(202);
    expect((await ended(gateway, id)).batch).toMatchObject({ status: 'completed', request_counts: { completed: LINES } });
    expect(swaps()).toBe(1);
    const mixed = await submit(
      gateway.url,
      lines((at) => (at % 2 === 0 ? FIRST : SECOND)),
    );
    const { output } = await ended(gateway, mixed);
    expect(output.map(({ response }) => response!.body['model']).toSorted()).toEqual(
      lines((at) => (at % 2 === 0 ? FIRST : SECOND))
        .map((_line, at) => (at % 2 === 0 ? FIRST : SECOND))
        .toSorted(),
    );
    expect(swaps()).toBe(2);
  },
);

import { describe, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { AS_ADMIN } from '../support/admin.ts';
import { until } from '../support/gateway.ts';
import { HOUSE_MODEL } from '../supervisor/support/house-supervisor.ts';
import { allReady, askLease, call, fleet, leases, lent, SLEEPS, status, usedGib } from './lease-scene.ts';

const COLD: SettingsInput = { models: [HOUSE_MODEL] };

describe('a card that is lent', { timeout: 240_000 }, () => {
  test('is freed by a worker that sleeps, keeps calls waiting or tells them until when, and is back in a moment', async () => {
    const { house, supervisor, gateway } = await fleet(['rtx-a4000'], { ...SLEEPS, admission: { queue_timeout_ms: 20_000 } });
    await using _ = gateway;
    const before = usedGib(house);
    const [long, asked] = await Promise.all([call(gateway, 60), askLease(gateway, { gpu: 0, minutes: 30, holder: 'render' })]);
    // What it had in hand it has finished.
    expect(long).toMatchObject({ status: 200 });
    expect(asked).toMatchObject({ status: 202, body: { state: 'preparing', gpu: 0, holder: 'render' } });
    expect(await lent(gateway, 'render')).toMatchObject({
      message: expect.stringMatching(/^worker-1 sleeps\. 1\d\.\d of 15\.\d GiB are free\.$/),
    });
    expect(before).toBeGreaterThan(10);
    expect(usedGib(house)).toBeLessThan(1.5);
    const refused = await call(gateway);
    expect(refused).toMatchObject({ status: 503, body: { error: { code: 'model_loading' } } });
    expect(refused.body.error?.message).toMatch(/its GPU is lent to another program until \d\d:\d\d UTC/);
    expect(Number(refused.retryAfter)).toBeGreaterThan(1);
    const now = await status(gateway);
    expect(now.leases).toMatchObject([{ holder: 'render', state: 'lent', workers: [{ id: 'worker-1' }] }]);
    expect(now.models[0]!.eta_seconds).toBeGreaterThan(1700);
    // Nobody loads anything onto it, whoever asks.
    expect(await supervisor.post('/v1/workers/worker-1/restart')).toBe(202);
    expect(await supervisor.post(`/v1/models/${HOUSE_MODEL}/load`)).toBe(202);
    expect(await askLease(gateway, { gpu: 0, minutes: 5, holder: 'game' })).toMatchObject({
      status: 409,
      body: { error: { message: expect.stringMatching(/GPU 0 \(.*\) is lent to render until \d{4}-.*; it is lent to one at a time/) } },
    });
    expect(await askLease(gateway, { gpu: 7, minutes: 5 })).toMatchObject({ status: 404 });
    // The same holder, for as long as calls wait: those that come now stay in line.
    const shorter = await askLease(gateway, { gpu: 0, minutes: 1, holder: 'render' });
    expect(shorter).toMatchObject({ status: 200, body: { state: 'lent' } });
    expect(shorter.body.left_seconds).toBeLessThanOrEqual(60);
    expect(usedGib(house)).toBeLessThan(1.5);
    const ended = await fetch(`${gateway.url}/admin/gpu/lease?gpu=0`, { method: 'DELETE', headers: AS_ADMIN });
    expect(ended.status).toBe(202);
    expect(await call(gateway)).toMatchObject({ status: 200 });
    expect(usedGib(house)).toBeCloseTo(before, 0);
    expect((await status(gateway)).workers).toMatchObject([{ restarts: expect.any(Number), last_failure: null }]);
    expect(supervisor.log.filter(({ event }) => event === 'worker.failure')).toEqual([]);
    expect(await askLease(gateway, { end: true, gpu: 0 })).toMatchObject({ status: 409 });
  });

  test('is freed by a worker that stops, of two; the other has the calls meanwhile and none is lost', async () => {
    const { house, supervisor, gateway } = await fleet(['l4', 'l4'], { ...COLD, supervisor: { replicas: 2 } });
    await using _ = gateway;
    const [first] = house.cards();
    const outcomes: (number | string)[] = [];
    let isOver = false;
    const clients = Array.from({ length: 4 }, async () => {
      while (!isOver) outcomes.push((await call(gateway, 12)).status);
    });
    expect(await askLease(gateway, { minutes: 5 })).toMatchObject({
      status: 409,
      body: { error: { message: expect.stringContaining('Say which GPU') } },
    });
    await askLease(gateway, { gpu: first!.uuid, minutes: 5, holder: 'render' });
    expect(await lent(gateway, 'render')).toMatchObject({ gpu: 0, message: expect.stringMatching(/^worker-1 is stopped\. 2\d\.\d of/) });
    expect([usedGib(house, 0), house.launches().length]).toEqual([0, 2]);
    const meanwhile = outcomes.length;
    await until(() => outcomes.length >= meanwhile + 10, 'calls served by the other');
    expect((await call(gateway)).worker).toBe('worker-2');
    expect(await askLease(gateway, { gpu: 0, end: true })).toMatchObject({ status: 202 });
    const back = await allReady(gateway);
    isOver = true;
    await Promise.all(clients);
    expect(new Set(outcomes)).toEqual(new Set([200]));
    expect(back.workers).toMatchObject([
      { id: 'worker-1', restarts: 0, last_failure: null, degradation: [] },
      { id: 'worker-2', restarts: 0, last_failure: null },
    ]);
    expect(house.launches()).toHaveLength(3);
    expect(supervisor.log.filter(({ event }) => event === 'worker.failure')).toEqual([]);
  });

  test('comes back when its time is over, when its holder is not heard of, and when it is taken back while it is prepared', async () => {
    const { house, supervisor, gateway } = await fleet(['rtx-a4000'], SLEEPS);
    await using _ = gateway;
    // The control API takes any time; people are asked for a minute at least.
    expect(await supervisor.post('/v1/gpus/lease?id=one&holder=brief&minutes=0.05')).toBe(202);
    await lent(gateway, 'brief');
    await until(async () => (await leases(gateway)).some(({ holder, over }) => holder === 'brief' && over === 'time'), 'its time over');
    await allReady(gateway);
    await askLease(gateway, { minutes: 30, holder: 'silent', lapse_seconds: 5 });
    await until(async () => (await leases(gateway)).some(({ holder, over }) => holder === 'silent' && over === 'lapsed'), 'it lapsed');
    await allReady(gateway);
    await askLease(gateway, { minutes: 30, holder: 'hasty' });
    expect(await askLease(gateway, { end: true })).toMatchObject({ status: 202 });
    await allReady(gateway);
    expect(await call(gateway)).toMatchObject({ status: 200 });
    // All the while it was one engine, which slept and woke.
    expect(house.launches()).toHaveLength(1);
    expect(supervisor.log.filter(({ event }) => event === 'worker.failure')).toEqual([]);
  });

  test('says who else has memory of it', async () => {
    const { house, gateway } = await fleet(['rtx-a4000'], SLEEPS);
    await using _ = gateway;
    const release = await house.hold(0, 2, 'Xorg', 1);
    await askLease(gateway, { minutes: 30, holder: 'render' });
    expect((await lent(gateway, 'render')).message).toMatch(
      /^worker-1 sleeps\. 1\d\.\d of .* are free\. The rest is held by Xorg \(process 1, 2\.0 GiB\)\.$/,
    );
    await release();
  });
});

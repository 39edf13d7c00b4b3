import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { settingsSchema } from '../../gateway/config/schema/settings.ts';
import { AS_ADMIN } from '../support/admin.ts';
import { timeOfDay } from '../../scripts/commands/live/lease-text.ts';
import { startTestGateway, until } from '../support/gateway.ts';
import { run } from '../support/process.ts';
import { houseWith } from '../supervisor/support/house-supervisor.ts';
import { QUICK, watching } from '../supervisor/support/running-supervisor.ts';
import { allReady, askLease, call, fleet, leases, lent, settingsIn, SLEEPS, usedGib } from './lease-scene.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));
const SUPERVISE = fileURLToPath(new URL('../supervisor/support/supervise.ts', import.meta.url));

describe('the command', { timeout: 240_000 }, () => {
  test('has its program find a free card, ends as that does, and gives the card back; killed, it keeps it no longer than a moment', async () => {
    const { house, gateway } = await fleet(['rtx-a4000'], SLEEPS);
    await using _ = gateway;
    const env = { PATH: `${house.path}`, HEADGATE_SUPERVISOR__STATE_DIR: join(house.folder, 'state') };
    const lease = (...args: string[]) =>
      run(process.execPath, [CLI, 'lease', '--port', String(gateway.port), ...args], { cwd: house.folder, env });
    const measure =
      'nvidia-smi --query-gpu=memory.free --format=csv,noheader,nounits; echo on $CUDA_VISIBLE_DEVICES until $HEADGATE_LEASE_UNTIL; exit 7';
    await using measured = lease('--minutes', '5', '--gpu', '0', '--', 'sh', '-c', measure);
    expect(await measured.exited).toBe(7);
    const [, freeMib] = /^(\d+)$/m.exec(measured.output()) ?? [];
    expect(Number(freeMib)).toBeGreaterThan(14_000);
    expect(measured.output()).toMatch(new RegExp(`^on ${house.cards()[0]!.uuid} until \\d{4}-\\d\\d-\\d\\dT`, 'm'));
    await allReady(gateway);

    // Nobody makes way for what cannot be started.
    const lendings = (await leases(gateway)).length;
    await using missing = lease('--minutes', '5', '--', 'no-such-program');
    expect(await missing.exited).toBe(127);
    expect(missing.output()).toContain('no-such-program cannot be started: there is no such program');
    await using forbidden = lease('--minutes', '5', '--', house.folder);
    expect([await forbidden.exited, forbidden.output()]).toEqual([126, expect.stringContaining('cannot be executed')]);
    expect(await leases(gateway)).toHaveLength(lendings);

    // An interrupt is the program's; what it answers is ours.
    await using interrupted = lease('--minutes', '5', '--', 'sh', '-c', 'trap "exit 9" INT; echo it runs; while :; do sleep 0.1; done');
    await interrupted.prints(/^it runs$/m);
    process.kill(interrupted.child.pid!, 'SIGINT');
    expect(await interrupted.exited).toBe(9);

    // An operator takes it back: the program is told to end.
    await using taken = lease(
      '--minutes',
      '5',
      '--holder',
      'a game',
      '--',
      'sh',
      '-c',
      'trap "exit 3" TERM; echo it runs; while :; do sleep 0.1; done',
    );
    await taken.prints(/^it runs$/m);
    await using end = lease('--end');
    expect([await end.exited, end.output()]).toEqual([0, expect.stringContaining('is given back')]);
    expect(await taken.exited).toBe(3);
    expect(taken.output()).toContain('the card is not lent any more: an operator has taken it back; sh is told to end');

    await using killed = lease('--minutes', '5', '--holder', 'killed');
    await killed.prints(/is lent to killed until/);
    killed.child.kill('SIGKILL');
    await until(
      async () => (await leases(gateway)).some(({ holder, over }) => holder === 'killed' && over === 'lapsed'),
      'it lapsed',
      60_000,
    );
    await allReady(gateway);
    expect(house.launches()).toHaveLength(1);
  });

  test('is one lease each: another that runs a program of the same name is told who has the card, and never gives back what it has not', async () => {
    const { house, gateway } = await fleet(['rtx-a4000'], SLEEPS);
    await using _ = gateway;
    const env = { PATH: `${house.path}`, HEADGATE_SUPERVISOR__STATE_DIR: join(house.folder, 'state') };
    const lease = (minutes: number, script: string) =>
      run(process.execPath, [CLI, 'lease', '--port', String(gateway.port), '--minutes', String(minutes), '--', 'sh', '-c', script], {
        ...{ cwd: house.folder, env },
      });
    await using first = lease(5, 'echo it runs until $HEADGATE_LEASE_UNTIL; while :; do sleep 0.1; done');
    await until(async () => (await leases(gateway)).length > 0, 'the card asked for');
    const second = async (told: RegExp) => {
      await using other = lease(1, 'echo it runs too');
      expect([await other.exited, other.output()]).toEqual([1, expect.stringMatching(told)]);
      expect(other.output()).not.toContain('it runs too');
    };
    // Be it while the first still waits for the card, or once it has it.
    await second(/GPU 0 \(.*\) is (made ready for|lent to) sh,? until \d{4}-.*; it is lent to one at a time/);
    await first.prints(/^it runs until/m);
    await second(/GPU 0 \(.*\) is lent to sh until \d{4}-.*; it is lent to one at a time/);
    // Nor is somebody without an id a part of it, by its name or by none.
    expect(await askLease(gateway, { minutes: 1, holder: 'sh' })).toMatchObject({ status: 409 });
    expect(await askLease(gateway, { minutes: 1 })).toMatchObject({ status: 409 });
    expect(await askLease(gateway, { gpu: 0, end: true, id: 'another' })).toMatchObject({ status: 409 });
    const now = await lent(gateway, 'sh');
    expect(now.left_seconds).toBeGreaterThan(200);
    // One end, wherever it is told.
    expect(/until (\S+Z)/.exec(first.output())?.[1]).toBe(now.until);
    expect(first.output()).toContain(`is lent to sh until ${timeOfDay(now.until)}.`);
    expect((await call(gateway)).body.error?.message).toContain(`until ${now.until.slice(11, 16)} UTC`);
    expect(now.left_seconds).toBeLessThanOrEqual(300);
    process.kill(first.child.pid!, 'SIGTERM');
    await first.exited;
    await allReady(gateway);
    await askLease(gateway, { minutes: 5 });
    expect(await askLease(gateway, { minutes: 1 })).toMatchObject({ status: 409 });
    const nameless = await lent(gateway, 'an operator');
    expect(await askLease(gateway, { minutes: 2, id: nameless.id })).toMatchObject({ status: 200, body: { id: nameless.id } });
    const ended = await fetch(`${gateway.url}/admin/gpu/lease?gpu=0&id=another`, { method: 'DELETE', headers: AS_ADMIN });
    expect(ended.status).toBe(409);
  });

  test('is told plainly where there is no card of ours', async () => {
    await using gateway = await startTestGateway(['http://127.0.0.1:9']);
    const env = { HEADGATE_SUPERVISOR__STATE_DIR: '/nowhere' };
    await using lease = run(process.execPath, [CLI, 'lease', '--port', String(gateway.port), '--minutes', '5', '--', 'true'], { env });
    expect(await lease.exited).toBe(1);
    expect(lease.output()).toMatch(/There is no card of ours to lend: .* Drain the worker instead/);
    await using wrong = run(process.execPath, [CLI, 'lease', '--minutes', '0', '--', 'true'], { env });
    expect([await wrong.exited, wrong.output()]).toEqual([2, expect.stringContaining('--minutes 0 is no time; write 1 to 1440')]);
    await using bare = run(process.execPath, [CLI, 'lease', '--minutes', '5', 'blender'], { env });
    expect([await bare.exited, bare.output()]).toEqual([
      2,
      expect.stringContaining('unexpected argument blender; the program that is to have the card goes after --'),
    ]);
  });
});

describe('a supervisor that is killed while a card is lent', { timeout: 240_000 }, () => {
  test('is followed by one that honors the lease to its end: what slept wakes then, and nothing is loaded before', async () => {
    const house = houseWith(['rtx-a4000']);
    const settings = await settingsIn(house, SLEEPS);
    const start = () =>
      run(process.execPath, [SUPERVISE, JSON.stringify(settings), JSON.stringify(QUICK)], { cwd: house.folder, env: { PATH: house.path } });
    await using gateway = await startTestGateway([], settings);
    await using killed = start();
    await gateway.gateway.firstReady;
    const first = await allReady(gateway);
    await askLease(gateway, { minutes: 30, holder: 'render' });
    const { until: end } = await lent(gateway, 'render');
    killed.child.kill('SIGKILL');
    await killed.exited;
    await using again = start();
    await again.prints(/is still lent to render/);
    const watched = watching(settingsSchema.parse(settings), house.folder);
    await until(
      async () => (await watched.state().catch(() => null))?.leases?.[0]?.message.includes('sleeps') === true,
      'the sleeper taken over',
    );
    const now = await lent(gateway, 'render');
    expect(Math.abs(Date.parse(now.until) - Date.parse(end))).toBeLessThan(60_000);
    expect(usedGib(house)).toBeLessThan(1.5);
    expect(await call(gateway)).toMatchObject({ status: 503, body: { error: { code: 'model_loading' } } });
    expect(await askLease(gateway, { end: true })).toMatchObject({ status: 202 });
    const back = await allReady(gateway);
    expect(back.workers[0]!.pid).toBe(first.workers[0]!.pid);
    expect(house.launches()).toHaveLength(1);
    expect(await watched.post('/v1/stop')).toBe(202);
    expect(await again.exited).toBe(0);
  });
});

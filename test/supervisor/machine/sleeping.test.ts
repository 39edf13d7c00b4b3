import { describe, expect, test } from 'vitest';
import { failureOf, POLICY, types, World } from './machine-world.ts';

function readyWorld(): World {
  const world = new World();
  world.becomeReady();
  return world;
}

function asleepWorld(): World {
  const world = readyWorld();
  world.fallAsleep();
  expect(world.state).toBe('asleep');
  return world;
}

const SIGNALS = /terminate|kill|sweep|spawn/;

describe('a worker that is told to sleep', () => {
  test('first leaves service, then waits for its requests, then gives its memory back, and keeps its process', () => {
    const world = readyWorld();
    const effects = [...world.send({ type: 'sleep' })];
    expect(world.machine.life).toMatchObject({ state: 'draining', step: 'told' });
    world.beat = { running: 2, waiting: 0, tokens: 5 };
    effects.push(...world.tick(), ...world.answer(true));
    world.beat = { running: 0, waiting: 1, tokens: 9 };
    effects.push(...world.tick(), ...world.answer(true));
    expect(world.machine.life).toMatchObject({ state: 'draining', step: 'emptying' });
    expect(types(effects)).not.toContain('sleep');
    world.beat = { running: 0, waiting: 0, tokens: 12 };
    effects.push(...world.tick(), ...world.answer(true));
    expect(types(effects)).toContain('sleep');
    effects.push(...world.answer(true));
    expect(world.state).toBe('asleep');
    expect(world.live.size).toBe(1);
    expect(types(effects).filter((type) => SIGNALS.test(type))).toEqual([]);
  });

  test('sleeps at last though its requests do not end: somebody waits for the memory', () => {
    const world = readyWorld();
    world.send({ type: 'sleep' });
    world.beat = { running: 1, waiting: 0, tokens: 5 };
    const since = world.nowMs;
    world.tick();
    for (let look = 0; look < 1000 && world.machine.life.state === 'draining'; look += 1) {
      world.answer(true);
      world.tick();
      if ('step' in world.machine.life && world.machine.life.step === 'dozing') break;
    }
    expect(world.machine.life).toMatchObject({ state: 'draining', step: 'dozing' });
    expect(world.nowMs - since).toBeGreaterThanOrEqual(POLICY.stopGraceMs);
  });

  test('and cannot is stopped, and the failure is told', () => {
    const world = readyWorld();
    world.send({ type: 'sleep' });
    world.tick();
    world.answer(true);
    const effects = world.answer(false);
    expect(effects).toContainEqual(expect.objectContaining({ type: 'report_failure', next: 'rest' }));
    expect(types(effects)).toContain('terminate_leader');
    world.exit();
    world.swept();
    expect(world.state).toBe('idle');
  });

  test('while it starts, has failed or rests is stopped as ever', () => {
    const world = new World();
    world.send({ type: 'start' });
    world.send({ type: 'sleep' });
    expect(world.state).toBe('idle');
    world.send({ type: 'sleep' });
    expect(world.state).toBe('idle');
  });

  test('may still be stopped or started again on its way, as patiently as any that has requests', () => {
    for (const wish of ['stop', 'restart'] as const) {
      const world = readyWorld();
      world.send({ type: 'sleep' });
      world.tick();
      const effects = world.send({ type: wish });
      expect(effects).toContainEqual(expect.objectContaining({ type: 'set_timer', timer: 'escalate', afterMs: POLICY.stopGraceMs }));
      world.exit();
      world.swept();
      expect(world.state).toBe(wish === 'stop' ? 'idle' : 'starting');
    }
  });
});

describe('a worker that sleeps', () => {
  test('wakes when its turn has come and its memory is free: a token, no new process', () => {
    const world = asleepWorld();
    const { incarnation } = world.machine;
    const effects = [...world.send({ type: 'start' })];
    expect(types(effects)).toContain('await_clearance');
    expect(types(effects)).not.toContain('wake');
    effects.push(...world.clear());
    expect(types(effects)).toContain('wake');
    effects.push(...world.answer(true));
    expect(effects).toContainEqual(expect.objectContaining({ type: 'warm_up', brief: true }));
    effects.push(...world.answer(true));
    expect(world.machine).toMatchObject({ incarnation, life: { state: 'ready' } });
    expect(types(effects).filter((type) => SIGNALS.test(type))).toEqual([]);
    expect(types(effects).filter((type) => type === 'release_clearance')).toHaveLength(1);
  });

  test.each([
    ['cannot wake', (world: World) => void (world.clear(), world.answer(false))],
    ['finds its memory taken', (world: World) => void world.clear(failureOf('wait'))],
    ['dies while it wakes', (world: World) => void (world.clear(), world.exit(failureOf('backoff')))],
  ])('and %s is started from the beginning at once, and that counts toward nothing', (_, happen) => {
    const world = asleepWorld();
    world.send({ type: 'start' });
    happen(world);
    expect(world.effects).toContainEqual(expect.objectContaining({ type: 'report_failure', next: 'retry' }));
    world.exit();
    world.swept();
    expect(world.timers.get('backoff')?.dueMs).toBe(world.nowMs);
    world.becomeReady();
    expect(world.machine).toMatchObject({ incarnation: 2, history: { failures: 0 }, life: { state: 'ready' } });
  });

  test('and dies rests, and the death is told', () => {
    const world = asleepWorld();
    const effects = world.exit(failureOf('backoff'));
    expect(effects).toContainEqual(expect.objectContaining({ type: 'report_failure', next: 'rest' }));
    world.swept();
    expect(world.state).toBe('idle');
    world.becomeReady();
    expect(world.machine.incarnation).toBe(2);
  });

  test('is found asleep by a supervisor that comes back, and wakes under it', () => {
    const world = new World();
    world.find('asleep');
    expect(world.state).toBe('asleep');
    world.send({ type: 'start' });
    world.clear();
    world.answer(true);
    world.answer(true);
    expect(world.machine).toMatchObject({ incarnation: 3, life: { state: 'ready' } });
  });
});

import { describe, expect, test } from 'vitest';
import { failureOf, POLICY, types, World } from './machine-world.ts';

function readyWorld(): World {
  const world = new World();
  world.becomeReady();
  return world;
}

describe('a start', () => {
  test('waits for its turn and for memory before it spawns', () => {
    const world = new World();
    expect(types(world.send({ type: 'start' }))).toContain('await_clearance');
    expect(world.state).toBe('starting');
    expect(types(world.clear())).toContain('spawn');
  });

  test('is ready only after the probe and one real token', () => {
    const world = new World();
    world.send({ type: 'start' });
    world.clear();
    world.spawn();
    world.tick();
    world.answer(false);
    expect(world.state).toBe('starting');
    world.tick();
    expect(types(world.answer(true))).toContain('warm_up');
    expect(world.state).toBe('warming');
    world.answer(true);
    expect(world.state).toBe('ready');
  });

  test('lets the next worker start once it is ready, and not before', () => {
    const world = new World();
    world.becomeReady();
    const releases = world.effects.filter(({ type }) => type === 'release_clearance');
    expect(releases).toHaveLength(1);
    expect(world.effects.indexOf(releases[0]!)).toBeGreaterThan(world.effects.findIndex(({ type }) => type === 'warm_up'));
  });

  test('shows how far its log says it has come, and never goes back', () => {
    const world = new World();
    world.send({ type: 'start' });
    world.clear();
    world.spawn();
    const incarnation = world.machine.incarnation;
    expect(types(world.send({ type: 'progress', incarnation, stage: 'cuda_graphs', serving: false }))).toEqual(['publish']);
    expect(types(world.send({ type: 'progress', incarnation, stage: 'model_loaded', serving: false }))).toEqual([]);
    expect(world.machine.life).toMatchObject({ stage: 'cuda_graphs' });
  });

  test('is probed at once when the log says that the server answers', () => {
    const world = new World();
    world.send({ type: 'start' });
    world.clear();
    world.spawn();
    const effects = world.send({ type: 'progress', incarnation: world.machine.incarnation, stage: null, serving: true });
    expect(types(effects)).toEqual(['probe']);
  });

  test('may take longer than its time while the log goes on telling news, and no longer', () => {
    const world = new World();
    world.send({ type: 'start' });
    world.clear();
    world.spawn();
    const incarnation = world.machine.incarnation;
    const { epoch } = world.machine;
    world.nowMs = POLICY.startTimeoutMs - 1000;
    world.send({ type: 'progress', incarnation, stage: null, serving: false });
    world.nowMs = POLICY.startTimeoutMs;
    expect(world.send({ type: 'timer', timer: 'deadline', epoch })).toEqual([
      { type: 'set_timer', timer: 'deadline', epoch, afterMs: POLICY.stallMs - 1000 },
    ]);
    world.nowMs += POLICY.stallMs;
    expect(types(world.send({ type: 'timer', timer: 'deadline', epoch }))).toContain('terminate_leader');
    expect(world.machine.history.lastFailure).toMatchObject({ class: 'start-timeout' });
  });

  test('is given up for this time when the warm-up request fails again and again', () => {
    const world = new World();
    world.send({ type: 'start' });
    world.clear();
    world.spawn();
    world.tick();
    world.answer(true);
    for (let attempt = 1; attempt < POLICY.warmUpAttempts; attempt += 1) {
      world.answer(false);
      world.tick();
    }
    expect(types(world.answer(false))).toContain('terminate_leader');
    expect(world.machine.history.lastFailure).toMatchObject({ class: 'warm-up' });
  });

  test('that is stopped while it waits for its turn never spawns', () => {
    const world = new World();
    world.send({ type: 'start' });
    expect(types(world.send({ type: 'stop' }))).toContain('release_clearance');
    expect(world.state).toBe('idle');
    world.clear();
    expect(types(world.effects)).not.toContain('spawn');
  });

  test('that is stopped while its process is being made ends the process as soon as there is one', () => {
    const world = new World();
    world.send({ type: 'start' });
    world.clear();
    world.send({ type: 'stop' });
    world.tick();
    expect(world.state).toBe('stopping');
    expect(types(world.spawn())).toContain('terminate_leader');
    world.exit();
    world.swept();
    expect(world.state).toBe('idle');
  });
});

describe('an exit that nobody asked for', () => {
  test('is a failure, is swept after, and is tried again after a pause', () => {
    const world = readyWorld();
    expect(types(world.exit())).toEqual(expect.arrayContaining(['report_failure', 'sweep']));
    world.swept();
    expect(world.state).toBe('backoff');
    world.tick();
    expect(world.state).toBe('starting');
  });

  test('of a starting worker lets the next worker start', () => {
    const world = new World();
    world.send({ type: 'start' });
    world.clear();
    world.spawn();
    expect(types(world.exit())).toContain('release_clearance');
  });

  test('because of a wrong setting ends in failed at once', () => {
    const world = new World();
    world.send({ type: 'start' });
    world.clear();
    world.spawn();
    world.exit(failureOf('never'));
    world.swept();
    expect(world.machine.life).toMatchObject({ state: 'failed', failure: { class: 'class-never' } });
    expect(world.timers.size).toBe(0);
  });

  test('because of a taken port goes on with another port without a pause', () => {
    const world = new World();
    world.send({ type: 'start' });
    world.clear();
    world.spawn();
    expect(types(world.exit(failureOf('next_port')))).toContain('take_next_port');
    world.swept();
    const before = world.nowMs;
    world.tick();
    expect(world.nowMs).toBe(before);
    expect(world.state).toBe('starting');
  });

  test('five times within ten minutes of serving ends in failed, with the reason', () => {
    const world = new World();
    for (let crash = 0; crash < POLICY.crashLoop.exits; crash += 1) {
      world.becomeReady();
      expect(world.state).toBe('ready');
      world.exit();
      world.swept();
    }
    expect(world.machine.life).toMatchObject({ state: 'failed', failure: { message: expect.stringContaining('died 5 times') } });
  });

  test('of a worker that had been stable starts the pauses from the beginning', () => {
    const world = new World();
    const pauses: number[] = [];
    for (let crash = 0; crash < 4; crash += 1) {
      world.becomeReady();
      if (crash === 3) world.nowMs += POLICY.stableAfterMs;
      world.exit();
      const effects = world.swept();
      const timer = effects.find((effect) => effect.type === 'set_timer');
      pauses.push(timer?.type === 'set_timer' ? timer.afterMs : -1);
    }
    expect(pauses).toEqual([1000, 2000, 4000, 1000]);
  });

  test('three starts in a row in the same way ends in failed', () => {
    const world = new World();
    world.send({ type: 'start' });
    for (let start = 0; start < POLICY.sameStartFailures; start += 1) {
      world.clear();
      world.spawn();
      world.exit(failureOf('backoff', 'oom'));
      world.swept();
      if (world.state === 'backoff') world.tick();
    }
    expect(world.machine.life).toMatchObject({ state: 'failed', failure: { message: expect.stringContaining('3 starts') } });
  });

  test('while the GPU is taken by somebody else is waited out for a while, then given up', () => {
    const world = new World();
    world.send({ type: 'start' });
    for (let wait = 0; wait < 100 && world.state !== 'failed'; wait += 1) {
      world.clear(failureOf('wait'));
      world.tick();
    }
    expect(world.state).toBe('failed');
    expect(world.nowMs).toBeGreaterThanOrEqual(POLICY.busyPatienceMs);
    expect(types(world.effects)).not.toContain('spawn');
  });
});

describe('stopping', () => {
  test('first stops routing, then asks the leader, then the group, then kills the group, then sweeps', () => {
    const world = readyWorld();
    world.effects.length = 0;
    world.send({ type: 'stop' });
    expect(world.state).toBe('draining');
    for (let i = 0; i < 4; i += 1) world.tick();
    const acts = types(world.effects).filter((type) => /terminate|kill|sweep/.test(type));
    expect(acts).toEqual(['terminate_leader', 'terminate_group', 'kill_group', 'sweep']);
    world.swept();
    expect(world.state).toBe('idle');
  });

  test('gives a serving worker its whole shutdown time before the group is signaled', () => {
    const world = readyWorld();
    world.send({ type: 'drain' });
    const effects = world.tick();
    expect(effects).toContainEqual(expect.objectContaining({ type: 'set_timer', timer: 'escalate', afterMs: POLICY.stopGraceMs }));
    expect(POLICY.stopGraceMs).toBeGreaterThan(30_000);
  });

  test('reports processes that cannot be ended, and starts nothing beside them', () => {
    const world = readyWorld();
    world.send({ type: 'restart' });
    world.tick();
    world.exit();
    world.swept([4711]);
    expect(world.machine.life).toMatchObject({ state: 'failed', failure: { class: 'hardware', message: expect.stringContaining('4711') } });
    world.send({ type: 'restart' });
    expect(world.state).toBe('stopping');
    world.swept([4711]);
    expect(world.state).toBe('failed');
  });

  test('a restart of a ready worker drains it and starts again', () => {
    const world = readyWorld();
    world.send({ type: 'restart' });
    world.tick();
    world.exit();
    world.swept();
    expect(world.state).toBe('starting');
    expect(world.machine.incarnation).toBe(2);
  });

  test('a stop during a restart wins', () => {
    const world = readyWorld();
    world.send({ type: 'restart' });
    world.tick();
    world.send({ type: 'stop' });
    world.exit();
    world.swept();
    expect(world.state).toBe('idle');
  });

  test('an operator’s restart of a failed worker forgets the failures but still shows the last', () => {
    const world = new World();
    world.send({ type: 'start' });
    world.clear();
    world.spawn(failureOf('never'));
    expect(world.state).toBe('failed');
    world.send({ type: 'restart' });
    world.swept();
    expect(world.state).toBe('starting');
    expect(world.machine.history).toMatchObject({ failures: 0, lastFailure: { class: 'class-never' } });
  });
});

describe('a ready worker', () => {
  test('is replaced when its health check fails several times in a row', () => {
    const world = readyWorld();
    for (let miss = 0; miss < POLICY.healthMisses; miss += 1) {
      world.tick();
      world.answer(false);
    }
    expect(world.state).toBe('stopping');
    expect(world.machine.history.lastFailure).toMatchObject({ class: 'unresponsive' });
  });

  test('is left alone when its health check only times out: it is busy', () => {
    const world = readyWorld();
    for (let miss = 0; miss < POLICY.healthMisses * 3; miss += 1) {
      world.tick();
      world.answer(false, true);
    }
    expect(world.state).toBe('ready');
  });

  test('that is given up gets the last words of its process into the report', () => {
    const world = readyWorld();
    for (let miss = 0; miss < POLICY.healthMisses; miss += 1) {
      world.tick();
      world.answer(false);
    }
    world.exit(failureOf('backoff', 'x', 'RuntimeError: boom'));
    expect(world.machine.history.lastFailure).toMatchObject({ class: 'unresponsive', lastWords: 'RuntimeError: boom' });
  });
});

test('what an earlier life asked is not heard in the next', () => {
  const world = readyWorld();
  const { machine } = world;
  world.send({ type: 'timer', timer: 'deadline', epoch: machine.epoch - 1 });
  world.send({ type: 'exited', incarnation: machine.incarnation - 1, failure: failureOf('backoff') });
  world.send({ type: 'warm_up_failed', epoch: machine.epoch - 1, reason: 'late' });
  expect(world.machine).toBe(machine);
});

import { describe, expect, test } from 'vitest';
import type { Beat } from '../../../gateway/vllm/beat.ts';
import { explain } from '../../../supervisor/failure/explain.ts';
import { LineSplitter } from '../../../supervisor/failure/log-tail.ts';
import type { FailureClass } from '../../../supervisor/failure/table.ts';
import type { Effect } from '../../../supervisor/machine/life.ts';
import { failureOf, oomOf, POLICY, types, World } from './machine-world.ts';

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
    expect(types(world.say({ stage: 'cuda_graphs' }))).toEqual(['publish']);
    expect(types(world.say({ stage: 'model_loaded' }))).toEqual([]);
    expect(world.machine.life).toMatchObject({ stage: 'cuda_graphs' });
  });

  test('is probed at once when the log says that the server answers', () => {
    const world = new World();
    world.send({ type: 'start' });
    world.clear();
    world.spawn();
    expect(types(world.say({ serving: true }))).toEqual(['probe']);
  });

  test('may take longer than its time while the log goes on telling news, and no longer', () => {
    const world = new World();
    world.send({ type: 'start' });
    world.clear();
    world.spawn();
    const { epoch } = world.machine;
    world.nowMs = POLICY.startTimeoutMs - 1000;
    world.say({});
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
    expect(world.machine.life).toMatchObject({ state: 'failed', failure: { class: 'config', message: 'It failed.' } });
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

  test('with settings that have served is not given up for a few kills within minutes', () => {
    const world = new World();
    world.send({ type: 'start' });
    const dies = () => {
      world.exit(failureOf('backoff', 'killed'));
      world.swept();
      if (world.state === 'backoff') world.tick();
    };
    world.becomeReady();
    dies();
    for (let start = 1; start < POLICY.crashLoop.exits; start += 1) {
      world.clear();
      world.spawn();
      dies();
      expect(world.state).toBe('starting');
    }
    world.clear();
    world.spawn();
    dies();
    expect(world.machine.life).toMatchObject({ state: 'failed', failure: { message: expect.stringContaining('5 starts') } });
  });

  test('that somebody kills from outside is no failure of the start, though it is not repeated for ever', () => {
    const world = new World();
    world.send({ type: 'start' });
    let starts = 0;
    for (; starts < 20 && world.state !== 'failed'; starts += 1) {
      world.clear();
      world.spawn();
      world.exit({ ...failureOf('backoff', 'killed'), class: 'killed' });
      world.swept();
      if (world.state === 'backoff') world.tick();
    }
    expect(starts).toBe(POLICY.crashLoop.exits);
  });

  test('while the GPU is taken by somebody else is waited out for a while, then given up', () => {
    const world = new World();
    world.send({ type: 'start' });
    for (let wait = 0; wait < 100 && world.state !== 'failed'; wait += 1) {
      world.clear(failureOf('wait'));
      if (world.state === 'backoff') world.tick();
    }
    expect(world.state).toBe('failed');
    expect(world.nowMs).toBeGreaterThanOrEqual(POLICY.busyPatienceMs);
    expect(types(world.effects)).not.toContain('spawn');
  });

  test('while the GPU is taken is waited out anew once it has been ready in between', () => {
    const world = new World();
    world.send({ type: 'start' });
    world.clear(failureOf('wait'));
    world.becomeReady();
    world.nowMs += 10 * POLICY.busyPatienceMs;
    world.fallAsleep();
    world.send({ type: 'start' });
    world.clear(failureOf('wait'));
    for (const happens of [() => world.exit(), () => world.swept(), () => world.tick(), () => world.clear(failureOf('wait'))]) happens();
    expect(world.state).toBe('backoff');
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
    expect(world.machine.history).toMatchObject({ failures: 0, lastFailure: { class: 'config' } });
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
    expect(world.machine.life).toMatchObject({ untold: { failure: { class: 'unresponsive' }, next: 'retry' } });
  });

  test('that is given up gets the last words of its process into the report', () => {
    const world = readyWorld();
    for (let miss = 0; miss < POLICY.healthMisses; miss += 1) {
      world.tick();
      world.answer(false);
    }
    world.exit({ ...failureOf('backoff', 'x', 'RuntimeError: boom'), class: 'unknown' });
    expect(world.machine.history.lastFailure).toMatchObject({ class: 'unresponsive', lastWords: 'RuntimeError: boom' });
  });
});

describe('the death of a ready worker', () => {
  const reports = (effects: readonly Effect[]) => effects.filter((effect) => effect.type === 'report_failure');
  function refuse(world: World): Effect[] {
    const effects: Effect[] = [];
    while (world.state === 'ready') effects.push(...world.tick(), ...world.answer(false, 'refused'));
    return effects;
  }
  const death = { ...failureOf('backoff', 'killed'), class: 'killed' } as const;

  test('that its health check has noticed first is told once, by its cause', () => {
    const world = readyWorld();
    expect(reports(refuse(world))).toEqual([]);
    expect(world.state).toBe('stopping');
    expect(reports(world.exit(death))).toEqual([{ type: 'report_failure', failure: death, next: 'retry' }]);
    expect(world.machine.history).toMatchObject({ lastFailure: { class: 'killed' }, crashesMs: [expect.anything()] });
    world.swept();
    expect(world.state).toBe('backoff');
  });

  test('that does not come is told of when its process has not ended in its time', () => {
    const world = readyWorld();
    refuse(world);
    expect(reports(world.tick())).toMatchObject([{ failure: { class: 'unresponsive' }, next: 'retry' }]);
    expect(world.machine.history.lastFailure).toMatchObject({ class: 'unresponsive' });
    // Better words come late and are told all the same.
    expect(reports(world.exit(death))).toMatchObject([{ failure: { class: 'killed' } }]);
  });

  test('that is told of by an operator’s restart is told all the same', () => {
    const world = readyWorld();
    refuse(world);
    world.send({ type: 'restart' });
    expect(reports(world.exit(death))).toMatchObject([{ failure: { class: 'killed' }, next: 'rest' }]);
  });

  test('that somebody outside has asked for takes it out of service at its first word, and is no mark against it', () => {
    const world = readyWorld();
    for (let again = 0; again < 20; again += 1) {
      const effects = world.say({ told: true });
      expect(world.state).toBe('draining');
      expect(reports(effects)).toMatchObject([{ failure: { class: 'stopped' }, next: 'retry' }]);
      expect(types(effects)).not.toContain('terminate_leader');
      expect(reports(world.exit({ ...failureOf('backoff'), class: 'engine-death' }))).toEqual([]);
      expect(world.machine.history).toMatchObject({ failures: 0, crashesMs: [], lastFailure: { class: 'stopped' } });
      world.swept();
      expect(world.machine.life).toMatchObject({ state: 'backoff', untilMs: world.nowMs });
      world.becomeReady();
      expect(world.state).toBe('ready');
    }
  });

  test('that somebody outside has asked for, and that does not come, is brought about', () => {
    const world = readyWorld();
    world.say({ told: true });
    const beganMs = world.nowMs;
    expect(types(world.tick())).toContain('terminate_leader');
    expect(world.nowMs - beganMs).toBe(POLICY.stopGraceMs);
  });

  test('by a signal that its log had no time to tell of is none either', () => {
    const world = readyWorld();
    world.exit({ ...failureOf('backoff'), class: 'stopped' });
    world.swept();
    expect(world.machine.history).toMatchObject({ failures: 0, crashesMs: [] });
    expect(world.machine.life).toMatchObject({ state: 'backoff', untilMs: world.nowMs });
  });

  test('during a start is tried again after a moment, however often', () => {
    const world = new World();
    world.send({ type: 'start' });
    for (let again = 0; again < 10; again += 1) {
      world.clear();
      world.spawn();
      expect(reports(world.say({ told: true }))).toMatchObject([{ failure: { class: 'stopped' }, next: 'retry' }]);
      world.exit({ ...failureOf('backoff'), class: 'stopped' });
      world.swept();
      expect(world.machine.life).toMatchObject({ state: 'backoff', untilMs: world.nowMs + POLICY.backoffMs[0]! });
      world.tick();
    }
  });
});

describe('the pulse of a ready worker', () => {
  /** Looks until `ms` have passed, with the answer that the worker gives. */
  function watch(world: World, ms: number, answer: () => readonly Effect[] = () => world.answer(true)): Effect[] {
    const end = world.nowMs + ms;
    const effects: Effect[] = [];
    while (world.nowMs < end && world.timers.size > 0) effects.push(...world.tick(), ...answer());
    return effects;
  }

  const isAskedForToken = (world: World) => world.isAskedForToken;
  /** It says that it is well, and makes no token for anybody, however long one is waited for. */
  const hung = (world: World) => () => {
    if (world.asked?.type === 'probe' && world.asked.depth === 'token') world.nowMs += world.asked.patienceMs;
    return world.answer(!isAskedForToken(world), 'timed_out');
  };
  /** Looks until the worker is in this state. @returns milliseconds until then */
  function watchUntil(world: World, state: World['state'], answer: () => readonly Effect[]): number {
    const since = world.nowMs;
    while (world.state !== state && world.nowMs - since < 600_000) watch(world, 1, answer);
    expect(world.state).toBe(state);
    return world.nowMs - since;
  }
  const tokensAsked = (world: World) => world.effects.filter((effect) => effect.type === 'probe' && effect.depth === 'token').length;

  test('is well as long as tokens come, however long its requests take', () => {
    const world = readyWorld();
    let tokens = 0;
    watch(world, POLICY.stallRestartMs * 3, () => {
      world.beat = { running: 4, waiting: 0, tokens: (tokens += 1) };
      return world.answer(true);
    });
    expect(world.state).toBe('ready');
  });

  test('is well while nothing runs, and then asks for one token now and then', () => {
    const world = readyWorld();
    watch(world, POLICY.idleProbeMs * 3 + 20_000);
    expect(world.state).toBe('ready');
    expect(tokensAsked(world)).toBe(3);
  });

  test('takes it out of service when requests run and no token comes, and starts it again when that lasts', () => {
    const world = readyWorld();
    world.beat = { running: 2, waiting: 0, tokens: 100 };
    const leftMs = watchUntil(world, 'draining', hung(world));
    expect(leftMs).toBeLessThanOrEqual(21_000);
    expect(world.machine.history.lastFailure).toMatchObject({ class: 'stalled', message: expect.stringContaining('2 requests') });
    expect(types(world.effects)).not.toContain('terminate_leader');
    expect(leftMs + watchUntil(world, 'stopping', hung(world))).toBeLessThanOrEqual(POLICY.stallRestartMs + 2 * POLICY.healthIntervalMs);
  });

  test('is waited for in proportion to how long its first tokens usually take', () => {
    const patience = (firstTokenMs: number | null) => {
      const world = readyWorld();
      world.beat = { running: 1, waiting: 0, tokens: 100, firstTokenMs };
      while (!isAskedForToken(world)) {
        world.tick();
        if (!isAskedForToken(world)) world.answer(true);
      }
      return world.asked;
    };
    expect([null, 50, 2000, 60_000].map(patience)).toEqual(
      [8000, 8000, 16_000, 30_000].map((patienceMs) => expect.objectContaining({ depth: 'token', patienceMs })),
    );
  });

  test('stays in service where only one witness is against it: counters that stand still, or a token that does not come', () => {
    const still = readyWorld();
    still.beat = { running: 2, waiting: 0, tokens: 100 };
    watch(still, POLICY.unprovenRestartMs, () => still.answer(true));
    expect(still.state).toBe('ready');

    const moving = readyWorld();
    moving.beat = { running: 2, waiting: 0, tokens: 0 };
    let tokens = 0;
    watch(moving, POLICY.unprovenRestartMs, () => {
      const asked = isAskedForToken(moving);
      // It stands still until it is asked, and then goes on with what it has.
      if (asked) moving.beat = { running: 2, waiting: 0, tokens: (tokens += 1) };
      return asked ? moving.answer(false, 'timed_out') : moving.answer(true);
    });
    expect(moving.state).toBe('ready');
    expect(tokens).toBeGreaterThan(2);
  });

  test('reads a long prompt as long as the use of its cache moves', () => {
    const world = readyWorld();
    let kvUsage = 0;
    watch(world, POLICY.stallRestartMs * 3, () => {
      world.beat = { running: 1, waiting: 0, tokens: 100, kvUsage: (kvUsage += 0.01) };
      return hung(world)();
    });
    expect(world.state).toBe('ready');
    expect(tokensAsked(world)).toBe(0);
  });

  test('lets it serve again when tokens come after all', () => {
    const world = readyWorld();
    world.beat = { running: 2, waiting: 0, tokens: 100 };
    watchUntil(world, 'draining', hung(world));
    expect(world.state).toBe('draining');
    const before = world.machine.life;
    world.beat = { running: 2, waiting: 0, tokens: 101 };
    watch(world, POLICY.healthIntervalMs);
    expect(world.machine.life).toMatchObject({ state: 'ready', sinceMs: (before as { sinceMs: number }).sinceMs });
  });

  test('may be silent for a while: busy is not dead', () => {
    const world = readyWorld();
    world.beat = { running: 9, waiting: 0, tokens: 100 };
    watch(world, 2 * POLICY.healthIntervalMs);
    watch(world, POLICY.stallRouteMs / 2, () => world.answer(false, 'timed_out'));
    expect(world.state).toBe('ready');
    world.beat = { running: 9, waiting: 0, tokens: 300 };
    watch(world, POLICY.healthIntervalMs);
    expect(world.state).toBe('ready');
  });

  test('that stays silent for good is given up in the end', () => {
    const world = readyWorld();
    watch(world, POLICY.unprovenRestartMs + 3 * POLICY.healthIntervalMs, () => world.answer(false, 'timed_out'));
    expect(world.state).toBe('stopping');
    expect(world.machine.history.lastFailure).toMatchObject({ class: 'stalled' });
  });

  test('whose process does nothing while it is asked leaves service at once, and serves again with a token or is started again', () => {
    for (const comesBack of [true, false]) {
      const world = readyWorld();
      world.beat = { running: 3, waiting: 0, tokens: 100 };
      watch(world, 2 * POLICY.healthIntervalMs);
      const frozen = () => {
        world.nowMs += POLICY.lateMs + POLICY.frozenMs;
        return world.answer(false, 'frozen');
      };
      const leftMs = watchUntil(world, 'draining', frozen);
      expect(leftMs).toBeLessThanOrEqual(15_000);
      expect(world.machine.history.lastFailure).toMatchObject({ class: 'stalled', message: expect.stringContaining('did nothing') });
      if (comesBack) {
        watch(world, 10_000, () => world.answer(true));
        expect(world.state).toBe('ready');
      } else
        expect(leftMs + watchUntil(world, 'stopping', frozen)).toBeLessThanOrEqual(POLICY.stallRestartMs + 2 * POLICY.healthIntervalMs);
    }
  });

  test('is not called frozen for one look, nor while looks in between find its process at work', () => {
    const world = readyWorld();
    world.beat = { running: 3, waiting: 0, tokens: 100 };
    watch(world, POLICY.healthIntervalMs);
    for (const miss of ['frozen', 'timed_out', 'frozen', 'timed_out'] as const) {
      world.tick();
      world.answer(false, miss);
    }
    expect(world.state).toBe('ready');
  });

  test('is asked again soon after a refusal, and three make it dead', () => {
    const world = readyWorld();
    world.tick();
    const before = world.nowMs;
    world.answer(false, 'refused');
    for (let again = 1; again < POLICY.healthMisses; again += 1) {
      world.tick();
      world.answer(false, 'refused');
    }
    expect(world.state).toBe('stopping');
    expect(world.nowMs - before).toBeLessThan(1000);
  });

  /** Nothing runs, its health is good, and of the tokens that it is asked for none comes. */
  function withholding(world: World, miss: 'timed_out' | 'wrong', beat: Beat = { running: 0, waiting: 0, tokens: 9 }) {
    return () => {
      world.beat = beat;
      return isAskedForToken(world) ? world.answer(false, miss) : world.answer(true);
    };
  }

  test.each(['timed_out', 'wrong'] as const)('of an idle engine that makes no token when it is asked for one (%s) ends it', (miss) => {
    const world = readyWorld();
    watch(world, POLICY.idleProbeMs - POLICY.healthIntervalMs, withholding(world, miss));
    expect(world.state).toBe('ready');
    const begin = world.nowMs;
    watch(world, POLICY.idleProbeMs, withholding(world, miss));
    expect(world.state).toBe('stopping');
    expect(world.nowMs - begin).toBeLessThan(60_000);
    expect(world.machine.history.lastFailure).toMatchObject({ class: 'stalled', message: expect.stringContaining('3 times in a row') });
  });

  test('forgives a token that did not come once the engine makes one, for us or for others', () => {
    for (const forgives of [() => {}, (world: World, n: number) => (world.beat = { running: 1, waiting: 0, tokens: n })] as const) {
      const world = readyWorld();
      let tokens = 0;
      for (let round = 0; round < 6; round += 1) {
        let missed = 0;
        watch(world, POLICY.idleProbeMs + 60_000, () => {
          if (isAskedForToken(world) && missed++ === 0) return world.answer(false, 'timed_out');
          if (missed > 0) forgives(world, (tokens += 1));
          return world.answer(true);
        });
        world.beat = { running: 0, waiting: 0, tokens };
      }
      expect(world.state).toBe('ready');
    }
  });

  test('is not taken in by clients that give up: what it does for nobody adds up', () => {
    const world = readyWorld();
    let look = 0;
    // A minute of work without a token, a moment without work.
    watch(world, POLICY.stallRestartMs * 1.5, () => {
      look += 1;
      world.beat = { running: look % 12 === 0 ? 0 : 1, waiting: 0, tokens: 100 };
      return hung(world)();
    });
    expect(world.state).toBe('stopping');
    expect(world.machine.history.lastFailure).toMatchObject({ class: 'stalled' });
  });

  test('has nothing against requests that come after a long time without any', () => {
    const world = readyWorld();
    for (let round = 0; round < 20; round += 1) {
      world.beat = { running: 0, waiting: 0, tokens: round };
      watch(world, POLICY.stallRestartMs);
      world.beat = { running: 1, waiting: 0, tokens: round };
      watch(world, 30_000);
    }
    expect(world.state).toBe('ready');
  });

  test('does not return to service because its clients have given up, but with the next token', () => {
    for (const comes of [true, false]) {
      const world = readyWorld();
      world.beat = { running: 2, waiting: 0, tokens: 100 };
      watchUntil(world, 'draining', hung(world));
      world.beat = { running: 0, waiting: 0, tokens: 100 };
      watch(world, 1, () => world.answer(!isAskedForToken(world), 'timed_out'));
      expect(world.state).toBe('draining');
      watch(world, 60_000, () => world.answer(comes || !isAskedForToken(world), 'timed_out'));
      expect(world.state).toBe(comes ? 'ready' : 'stopping');
    }
  });

  test('is not taken in by gauges that stand still since its clients have left: it is asked for a token, and makes it', () => {
    const world = readyWorld();
    world.beat = { running: 3, waiting: 2, tokens: 100 };
    const asked = () => tokensAsked(world);
    watch(world, POLICY.stallRestartMs * 2, () => {
      // The step that makes our token tells the truth about the others.
      if (isAskedForToken(world)) world.beat = { running: 0, waiting: 0, tokens: 101 };
      return world.answer(true);
    });
    expect(world.state).toBe('ready');
    expect(asked()).toBe(1);
    expect(world.machine.history.lastFailure).toBeNull();
  });

  test.each(['timed_out', 'wrong'] as const)('that stands still and misses a token (%s) serves again with the next', (miss) => {
    const world = readyWorld();
    world.beat = { running: 3, waiting: 0, tokens: 100 };
    let asked = 0;
    watch(world, 4 * POLICY.stallRestartMs, () => {
      if (!isAskedForToken(world)) return world.answer(true);
      asked += 1;
      if (asked === 1 && miss === 'timed_out') world.nowMs += POLICY.doubtTokenMs;
      return world.answer(asked > 1, miss);
    });
    expect(world.state).toBe('ready');
    expect(types(world.effects)).not.toContain('terminate_leader');
  });

  test('that stands still and refuses every token leaves service no sooner than one that lets us wait, and is started again no sooner', () => {
    const world = readyWorld();
    world.beat = { running: 3, waiting: 0, tokens: 100 };
    const refuses = () => world.answer(!isAskedForToken(world), 'wrong');
    const leftMs = watchUntil(world, 'draining', refuses);
    expect(leftMs).toBeGreaterThanOrEqual(POLICY.stallRouteMs - POLICY.healthIntervalMs);
    expect(leftMs + watchUntil(world, 'stopping', refuses)).toBeGreaterThanOrEqual(POLICY.stallRestartMs - POLICY.healthIntervalMs);
  });

  test('returns to service with the next token also where its HTTP server goes on counting requests that have left', () => {
    const world = readyWorld();
    world.beat = { running: 2, waiting: 0, load: 2, tokens: 100 };
    watchUntil(world, 'draining', hung(world));
    world.beat = { running: 0, waiting: 0, load: 1, tokens: 100 };
    watch(world, 4 * POLICY.healthIntervalMs, () => world.answer(true));
    expect(world.state).toBe('ready');
  });

  test('of an engine that can be asked for nothing short is judged by what it has done, however often it is asked', () => {
    const world = readyWorld();
    world.makesTokens = false;
    // What only one of them goes on counting has left.
    for (const left of [
      { running: 2, load: 0 },
      { running: 0, load: 2 },
    ]) {
      world.beat = { ...left, waiting: 0, tokens: 100 };
      watch(world, 2 * POLICY.stallRestartMs, () => world.answer(true));
      expect(world.state).toBe('ready');
    }
    world.beat = { running: 2, waiting: 0, load: 2, tokens: 101 };
    watch(world, POLICY.unprovenRouteMs - POLICY.healthIntervalMs, () => world.answer(true));
    expect(world.state).toBe('ready');
    watch(world, 3 * POLICY.healthIntervalMs, () => world.answer(true));
    expect(world.state).toBe('draining');
    watch(world, POLICY.unprovenRestartMs - POLICY.unprovenRouteMs + 2 * POLICY.healthIntervalMs, () => world.answer(true));
    expect(world.state).toBe('stopping');
  });

  test('is taken for stalled when its HTTP server has requests of which a hanging engine knows nothing', () => {
    const world = readyWorld();
    watch(world, POLICY.idleProbeMs / 2);
    world.beat = { running: 0, waiting: 0, load: 5, tokens: 0 };
    const leftMs = watchUntil(world, 'draining', hung(world));
    expect(leftMs).toBeLessThanOrEqual(POLICY.stallRouteMs + 2 * POLICY.healthIntervalMs);
    expect(world.machine.history.lastFailure).toMatchObject({ class: 'stalled', message: expect.stringContaining('5 requests') });
    expect(leftMs + watchUntil(world, 'stopping', hung(world))).toBeLessThanOrEqual(POLICY.stallRestartMs + 3 * POLICY.healthIntervalMs);
  });

  test('is not taken in by an HTTP server that miscounts: a token now and then, and it serves on', () => {
    const world = readyWorld();
    let tokens = 0;
    watch(world, 10 * POLICY.mostDoubtMs, () => {
      if (isAskedForToken(world)) tokens += 1;
      world.beat = { running: 0, waiting: 0, load: 1, tokens };
      return world.answer(true);
    });
    expect(world.state).toBe('ready');
    expect(tokens).toBeGreaterThan(5);
    // Each is later than the one before, up to a minute.
    expect(tokens).toBeLessThanOrEqual(14);
  });

  test('is started again in time also where its clients have given up meanwhile', () => {
    const world = readyWorld();
    world.beat = { running: 0, waiting: 0, load: 4, tokens: 100 };
    const leftMs = watchUntil(world, 'draining', hung(world));
    world.beat = { running: 0, waiting: 0, load: 0, tokens: 100 };
    const before = world.effects.length;
    const endedMs = watchUntil(world, 'stopping', hung(world));
    // What stands still hears no signal that asks.
    expect(types(world.effects.slice(before))).toContain('kill_group');
    expect(types(world.effects.slice(before))).not.toContain('terminate_leader');
    expect(leftMs + endedMs).toBeLessThanOrEqual(POLICY.stallRestartMs + POLICY.tokenTimeoutMs);
    expect(world.machine.history.lastFailure?.message).toContain('Its clients had given up');
  });

  test('counts requests that wait while none runs as work that does not get on', () => {
    const world = readyWorld();
    world.beat = { running: 0, waiting: 7, tokens: 100 };
    watch(world, POLICY.stallRestartMs + 4 * POLICY.healthIntervalMs, hung(world));
    expect(world.state).toBe('stopping');
    expect(world.machine.history.lastFailure).toMatchObject({ class: 'stalled', message: expect.stringContaining('7 requests') });
  });

  test('is taken at once when the log says that the engine dies', () => {
    const world = readyWorld();
    expect(world.say({ dying: true })).toContainEqual(expect.objectContaining({ type: 'probe', depth: 'pulse' }));
  });

  test('of an engine that does not count is judged by its health alone', () => {
    const world = readyWorld();
    world.beat = null;
    watch(world, POLICY.stallRestartMs * 2);
    expect(world.state).toBe('ready');
  });
});

describe('want of memory', () => {
  /** Starts, and fails in this way as soon as there is a process, until it does not any more. */
  function failWith(world: World, name: FailureClass, times: number): void {
    for (let i = 0; i < times; i += 1) {
      world.clear();
      world.spawn();
      world.exit(oomOf(name));
      world.swept();
    }
  }

  test('relaxes one step and starts again at once, without a pause and without using up the tries', () => {
    const world = new World();
    world.send({ type: 'start' });
    const began = world.nowMs;
    failWith(world, 'oom-sampler', 1);
    expect(world.state).toBe('starting');
    expect(world.nowMs).toBe(began);
    expect(world.machine.history).toMatchObject({ failures: 0, sameStart: null, lastFailure: { class: 'oom-sampler' } });
    expect(world.machine.footing.steps).toMatchObject([{ setting: 'max_num_seqs', from: '64', to: '32' }]);
  });

  test('that nothing is left to relax against ends in failed, with advice, and is not tried again', () => {
    const world = new World();
    world.send({ type: 'start' });
    failWith(world, 'oom-weights', 4);
    expect(world.machine.life).toMatchObject({
      state: 'failed',
      failure: { message: expect.stringMatching(/^There is nothing left to relax/), advice: expect.stringMatching(/smaller model/) },
    });
    expect(world.timers.size).toBe(0);
  });

  test('that nothing is left to relax against says so where it is only known when a silent start has ended, too', () => {
    const world = new World();
    world.send({ type: 'start' });
    failWith(world, 'oom-weights', 2);
    expect(world.state).toBe('starting');
    world.clear();
    world.spawn();
    const { epoch } = world.machine;
    world.nowMs += POLICY.startTimeoutMs + POLICY.stallMs;
    world.send({ type: 'timer', timer: 'deadline', epoch });
    expect(world.machine.history.lastFailure).toMatchObject({ class: 'start-timeout' });
    world.exit(oomOf('oom-weights'));
    world.swept();
    expect(world.machine.life).toMatchObject({
      state: 'failed',
      failure: { message: expect.stringMatching(/^There is nothing left to relax/), advice: expect.stringMatching(/smaller model/) },
    });
    expect(world.machine.history.lastFailure).toMatchObject({ message: expect.stringMatching(/^There is nothing left to relax/) });
  });

  test('for the shortest context of use ends in failed with that failure’s own advice, and with what else would help', () => {
    const log =
      "ValueError: To serve at least one request with the model's max seq len (8192), (1.00 GiB KV cache is needed, which is larger than " +
      'the available KV cache memory (0.15 GiB). Based on the available memory, the estimated maximum model length is 1200.\n';
    const lines = new LineSplitter().push(log);
    const exit = { code: 1, signal: null };
    const failure = explain({ exit, phase: 'profile', lines, livedMs: 30_000, hostOomKills: null, ended: false, first: null });
    const world = new World();
    world.send({ type: 'start' });
    for (let start = 0; start < 20 && world.state !== 'failed'; start += 1) {
      world.clear();
      world.spawn();
      world.exit(failure);
      world.swept();
    }
    expect(world.machine.life).toMatchObject({
      state: 'failed',
      failure: {
        class: 'kv-too-small',
        message: expect.stringMatching(/^There is nothing left to relax: .* 1200 would\./),
        advice: expect.stringMatching(/^Set max_model_len to at most the figure named here\. Or use smaller weights .* more memory\.$/),
      },
    });
    expect(world.machine.footing.steps.map(({ setting }) => setting)).not.toContain('max_model_len');
  });

  test('once is one step, even when it was noticed twice', () => {
    const world = readyWorld();
    world.tick();
    for (let miss = 0; miss < POLICY.healthMisses; miss += 1) {
      world.answer(false);
      world.tick();
    }
    expect(world.state).toBe('stopping');
    world.exit(oomOf('oom-runtime'));
    world.exit(oomOf('oom-runtime'));
    world.swept();
    expect(world.machine.footing.steps).toHaveLength(1);
    expect(world.machine.history.lastFailure).toMatchObject({ class: 'oom-runtime' });
    expect(world.state).toBe('starting');
  });

  function relaxedAndReady(): World {
    const world = readyWorld();
    world.exit(oomOf('oom-runtime'));
    world.swept();
    world.becomeReady();
    expect(world.machine.footing.steps).toHaveLength(1);
    return world;
  }

  function restart(world: World): void {
    world.send({ type: 'restart' });
    world.tick();
    world.exit();
    world.swept();
  }

  test('is no reason to take a step back at a restart that comes early, and nothing restarts just for that', () => {
    const world = relaxedAndReady();
    world.nowMs += POLICY.climbHoldMs[0]! - 1000;
    restart(world);
    expect(world.machine.footing.steps).toHaveLength(1);
    world.becomeReady();
    world.effects.length = 0;
    for (let look = 0; look < 6000; look += 1) {
      world.tick();
      world.answer(true);
    }
    expect(world.state).toBe('ready');
    expect(types(world.effects)).not.toContain('terminate_leader');
  });

  test('lets the next restart after a long time of serving take one step back', () => {
    const world = relaxedAndReady();
    world.nowMs += POLICY.climbHoldMs[0]!;
    restart(world);
    expect(world.machine.footing).toMatchObject({ steps: [], climbed: { setting: 'gpu_memory_utilization' } });
    world.becomeReady();
    world.nowMs += POLICY.relapseMs;
    restart(world);
    expect(world.machine.footing).toMatchObject({ steps: [], climbed: null, relapses: 0 });
  });

  test('that returns soon after a step back takes the same step again and waits twice as long, and at last for good', () => {
    const world = relaxedAndReady();
    const [step] = world.machine.footing.steps;
    for (const [round, holdMs] of POLICY.climbHoldMs.entries()) {
      world.nowMs += holdMs - 1000;
      restart(world);
      expect(world.machine.footing.steps).toEqual([step]);
      world.becomeReady();
      world.nowMs += holdMs;
      restart(world);
      expect(world.machine.footing.steps).toEqual([]);
      world.becomeReady();
      world.exit(oomOf('oom-runtime'));
      world.swept();
      expect(world.machine.footing).toMatchObject({ steps: [step], relapses: round + 1 });
      world.becomeReady();
    }
    world.nowMs += 100 * POLICY.climbHoldMs.at(-1)!;
    restart(world);
    expect(world.machine.footing.steps).toEqual([step]);
  });

  test('that returns soon after a step back is known by its cause where the health check noticed it first', () => {
    const world = relaxedAndReady();
    const [step] = world.machine.footing.steps;
    world.nowMs += POLICY.climbHoldMs[0]!;
    restart(world);
    world.becomeReady();
    for (let miss = 0; miss < POLICY.healthMisses; miss += 1) {
      world.tick();
      world.answer(false, 'refused');
    }
    expect(world.state).toBe('stopping');
    world.exit(oomOf('oom-runtime'));
    expect(world.machine.footing).toMatchObject({ steps: [step], climbed: null, relapses: 1 });
  });

  /** Its engine dies; the health check may notice that before the end of the process tells the cause. */
  function die(world: World, noticed: boolean): void {
    for (let miss = 0; noticed && miss < POLICY.healthMisses; miss += 1) {
      world.tick();
      world.answer(false, 'refused');
    }
    world.exit(oomOf('oom-runtime'));
    world.swept();
  }

  test.each([true, false])(
    'once in a long time costs a worker that is relaxed already a restart, and no more (noticed first: %s)',
    (noticed) => {
      const world = relaxedAndReady();
      for (let day = 0; day < 20; day += 1) {
        const { footing } = world.machine;
        world.nowMs += POLICY.climbHoldMs.at(-1)!;
        die(world, noticed);
        expect(world.state).toBe('backoff');
        world.becomeReady();
        expect(world.state).toBe('ready');
        expect(world.machine.footing.steps).toEqual(footing.steps);
      }
    },
  );

  test.each([true, false])('with nothing left to relax ends no worker that has served well for a while (noticed first: %s)', (noticed) => {
    const world = readyWorld();
    for (let death = 0; death < 40; death += 1) {
      world.nowMs += POLICY.stableAfterMs;
      die(world, noticed);
      world.becomeReady();
      expect(world.state).toBe('ready');
    }
    const { length } = world.machine.footing.steps;
    expect(length).toBeGreaterThan(4);
    // One that runs out at once has nothing left.
    world.exit(oomOf('oom-runtime'));
    world.swept();
    expect(world.machine.life).toMatchObject({ state: 'failed', failure: { message: expect.stringMatching(/^There is nothing left/) } });
  });

  test('of another version of vLLM does not count any more at the next restart', () => {
    const world = relaxedAndReady();
    world.send({ type: 'outdated' });
    expect(world.state).toBe('ready');
    expect(world.machine.footing.steps).toHaveLength(1);
    restart(world);
    expect(world.machine.footing.steps).toEqual([]);
  });
});

describe('a worker that was given up', () => {
  function givenUp(retry: 'backoff' | 'wait' | 'never'): World {
    const world = new World();
    world.send({ type: 'start' });
    for (let i = 0; i < 500 && world.state !== 'failed'; i += 1) {
      if (retry === 'wait') world.clear(failureOf('wait'));
      world.clear();
      world.spawn();
      world.exit(failureOf(retry));
      world.swept();
      if (world.state === 'backoff') world.tick();
    }
    expect(world.state).toBe('failed');
    return world;
  }

  test.each(['backoff', 'wait'] as const)('for what may pass (%s) gets one more chance now and then, and says so', (retry) => {
    const world = givenUp(retry);
    expect(world.machine.history.lastFailure?.message).toContain('once more every 10 minutes');
    for (let round = 0; round < 3; round += 1) {
      const before = world.nowMs;
      world.tick();
      expect(world.nowMs - before).toBe(POLICY.halfOpenMs);
      world.swept();
      expect(world.state).toBe('starting');
      if (retry === 'wait') world.clear(failureOf('wait'));
      world.clear();
      world.spawn();
      world.exit(failureOf(retry));
      world.swept();
      expect(world.state).toBe('failed');
    }
  });

  test('and serves after its one more chance is as good as any other once it is stable', () => {
    const world = givenUp('backoff');
    world.tick();
    world.becomeReady();
    expect(world.state).toBe('ready');
    world.nowMs += POLICY.stableAfterMs;
    world.exit();
    world.swept();
    expect(world.state).toBe('backoff');
  });

  test('for a wrong setting waits for an operator', () => {
    expect(givenUp('never').timers.size).toBe(0);
  });
});

describe('adoption', () => {
  test('of a ready worker changes nothing for it: no signal, no start, and its pulse is watched', () => {
    const world = new World();
    world.nowMs = 100_000;
    const effects = types(world.find('ready'));
    expect(world.machine).toMatchObject({ incarnation: 3, life: { state: 'ready', sinceMs: 99_000 } });
    expect(effects.filter((type) => /spawn|terminate|kill|sweep|warm|clearance/.test(type))).toEqual([]);
    expect(types(world.tick())).toEqual(['probe']);
    world.exit();
    world.swept();
    world.becomeReady();
    expect(world.machine).toMatchObject({ incarnation: 4, life: { state: 'ready' } });
  });

  test('of a start that is under way holds the turn to start and goes on with its deadline', () => {
    const world = new World();
    world.nowMs = 100_000;
    expect(types(world.find('loading'))).toEqual(expect.arrayContaining(['hold_turn', 'set_timer']));
    expect(world.timers.get('deadline')?.dueMs).toBe(100_000 - 60_000 + POLICY.startTimeoutMs);
    world.say({ serving: true });
    world.answer(true);
    expect(types(world.answer(true))).toContain('release_clearance');
    expect(world.state).toBe('ready');
  });

  test('is only for a supervisor that has begun nothing', () => {
    const world = new World();
    world.send({ type: 'start' });
    world.send({ type: 'stop' });
    expect(world.find('ready')).toEqual([]);
    expect(world.state).toBe('idle');
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

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nextStep } from '../../../supervisor/ladder/ladder.ts';
import { relax } from '../../../supervisor/ladder/step.ts';
import type { Machine } from '../../../supervisor/machine/life.ts';
import { histories } from '../../support/histories.ts';
import { failureOf, LIMITS, oomOf, POLICY, SETUP, World } from './machine-world.ts';

/** Classes of the failure table that have a ladder in the world of these tests. */
const OOM = ['oom-weights', 'oom-sampler', 'oom-profile', 'oom-kv-zero', 'oom-graph', 'oom-runtime'] as const;

/** One thing that may happen. What does not fit the moment does nothing. */
const happening = fc.oneof(
  // Most of the time the world does as it should, or no worker would ever get far.
  { weight: 14, arbitrary: fc.record({ kind: fc.constant('good') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('start', 'restart', 'drain', 'stop') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('sleep', 'sleep', 'nap') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('bad', 'slow', 'gone', 'tick', 'stuck', 'stray', 'dying', 'outdated') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('hang', 'work', 'relapse') }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('exit', 'busy', 'unspawned'),
      retry: fc.constantFrom('never', 'backoff', 'backoff', 'wait', 'next_port' as const),
      signature: fc.constantFrom('a', 'b'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('oom'), class: fc.constantFrom(...OOM) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('crowded', 'crowded-out', 'crowded-out'), freeGib: fc.constantFrom(14, 13, 11) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait'), ms: fc.integer({ min: 0, max: 900_000 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('night'), ms: fc.constantFrom(...POLICY.climbHoldMs) }) },
);
type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never;
const events = fc.array(happening, { minLength: 20, maxLength: 120 });
/** What this supervisor finds when it begins, whether its worker can run at all as far as anybody knows, and what happens then. */
const history = fc.record({
  found: fc.constantFrom(null, null, 'ready', 'loading', 'asleep' as const),
  runs: fc.constantFrom(true, true, true, true, false),
  events,
});
type Past = typeof history extends fc.Arbitrary<infer T> ? T : never;

function happen(world: World, event: Happening): void {
  const failure = 'retry' in event ? failureOf(event.retry, event.signature) : failureOf('backoff');
  switch (event.kind) {
    case 'start':
    case 'restart':
    case 'drain':
    case 'stop':
    case 'outdated':
    case 'sleep':
      return void world.send({ type: event.kind });
    case 'nap':
      world.fallAsleep();
      return void world.send({ type: 'start' });
    case 'busy':
      return void world.clear(failure);
    case 'unspawned':
      return void world.spawn(failure);
    case 'good':
      return void world.cooperate();
    case 'bad':
      return void world.answer(false);
    case 'slow':
      return void world.answer(false, world.chance < 0.5 ? 'timed_out' : 'frozen');
    case 'gone':
      return void world.answer(false, 'refused');
    case 'dying':
      return void world.say({ dying: true });
    case 'hang':
      // It runs and gets nowhere for as long as it takes to be noticed.
      world.beat = { running: 1, waiting: 0, tokens: 7 };
      for (let look = 0; look < 12 && (world.state === 'ready' || world.machine.life.state === 'draining'); look += 1) {
        world.tick();
        world.answer(!world.isAskedForToken, 'timed_out');
      }
      return;
    case 'work':
      world.beat = { running: 1, waiting: 0, tokens: (world.beat?.tokens ?? 0) + 1 };
      return;
    case 'exit':
      return void world.exit(failure);
    case 'oom':
      return void ('class' in event && world.exit(oomOf(event.class)));
    case 'relapse': {
      const { climbed } = world.machine.footing;
      return void (climbed && world.exit(oomOf(climbed.class)));
    }
    case 'crowded':
    case 'crowded-out': {
      const freeGib = 'freeGib' in event ? event.freeGib : 0;
      const busy = { ...failureOf('wait', 'crowded'), evidence: { freeGib, totalGib: 15.57 } };
      if (event.kind === 'crowded') return void world.clear(busy);
      if (freeGib < 14) world.nowMs += POLICY.vramPatienceMs;
      return void world.exit(busy);
    }
    case 'stuck':
      return void world.swept([...world.live]);
    case 'tick':
      return void world.tick();
    case 'stray':
      world.send({ type: 'timer', timer: 'escalate', epoch: world.machine.epoch - 1 });
      world.find('ready');
      return void world.send({ type: 'spawned', incarnation: world.machine.incarnation - 1, pid: 1 });
    case 'night':
      // A long time of serving, and then a restart for whatever reason.
      if ('ms' in event) world.nowMs += event.ms;
      world.send({ type: 'restart' });
      for (let i = 0; i < 8; i += 1) world.cooperate();
      return;
    case 'wait':
      if ('ms' in event) world.nowMs += event.ms;
  }
}

/** Happenings in which an operator says something. */
const WISHES: ReadonlySet<string> = new Set(['start', 'stop', 'restart', 'drain', 'night', 'sleep', 'nap']);

function begin({ found, runs }: Past): World {
  const world = new World();
  world.nowMs = 100_000;
  if (!runs) world.wanted = null;
  if (found) world.find(found);
  return world;
}

/** Plays a history, telling `look` after each event what the effects of it were. */
function play(past: Past, look: (world: World, news: World['effects'], before: Machine, event: Happening) => void): World {
  const world = begin(past);
  for (const event of past.events) {
    const from = world.effects.length;
    const before = world.machine;
    happen(world, event);
    look(world, world.effects.slice(from), before, event);
  }
  return world;
}

// The same histories every time: a law that only sometimes fails in a busy pipeline helps nobody.
const FIXED = { seed: 20_260_101, numRuns: histories(2000) };

function whatever(law: (past: Past) => void): void {
  fc.assert(fc.property(history, law), FIXED);
}

describe('whatever happens', () => {
  test('there are never two live processes of one worker', () => {
    whatever((past) => {
      play(past, (world) => {
        expect(world.overlaps).toBe(0);
        expect(world.live.size).toBeLessThanOrEqual(1);
      });
    });
  });

  test('a stop comes to rest with no process left', () => {
    whatever((past) => {
      const world = play(past, () => {});
      world.send({ type: 'stop' });
      for (let i = 0; i < 12 && world.state !== 'idle'; i += 1) {
        world.spawn();
        world.swept();
        world.tick();
      }
      expect(world.state).toBe('idle');
      expect(world.live.size).toBe(0);
    });
  });

  test('a failure that would only repeat itself is never tried again, unless an operator says so', () => {
    whatever((past) => {
      let hopeless = false;
      play(past, (_, news, { life }, { kind }) => {
        // How a process has ended that was to be woken says nothing of a start from the beginning.
        const woken = life.state === 'starting' && ('sleeper' in life ? life.sleeper !== null : life.step === 'waking');
        if (kind === 'start' || kind === 'restart' || kind === 'night' || kind === 'nap') hopeless = false;
        if (hopeless) expect(news.some(({ type }) => type === 'spawn' || type === 'await_clearance')).toBe(false);
        if (!woken && news.some((effect) => effect.type === 'report_failure' && effect.failure.retry === 'never')) hopeless = true;
      });
    });
  });

  test('no pause is longer than the longest of the policy', () => {
    fc.assert(
      fc.property(history, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (past, chance) => {
        const world = play(past, (now) => {
          now.chance = chance;
        });
        for (const effect of world.effects)
          if (effect.type === 'set_timer' && effect.timer === 'backoff')
            expect(effect.afterMs).toBeLessThanOrEqual(POLICY.backoffMs.at(-1)!);
      }),
      FIXED,
    );
  });

  test('a turn to start is given back exactly once for each that was taken, when the start is over', () => {
    whatever((past) => {
      let held = past.found === 'loading' ? 1 : 0;
      play(past, (world, news) => {
        for (const { type } of news) {
          if (type === 'await_clearance' || type === 'hold_turn') held += 1;
          if (type === 'release_clearance') held -= 1;
          expect(held === 0 || held === 1).toBe(true);
        }
        expect(held).toBe(world.state === 'starting' || world.state === 'warming' ? 1 : 0);
      });
    });
  });

  test('the ladder never repeats a step that is in force, never takes two for one end, and never one of another class', () => {
    whatever((past) => {
      play(past, (world, news) => {
        const { steps } = world.machine.footing;
        expect(new Set(steps.map(({ setting, from, to }) => `${setting} ${from} ${to}`)).size).toBe(steps.length);
        const taken = news.filter(
          (effect) => effect.type === 'save_footing' && (effect.change === 'relaxed' || effect.change === 'relapsed'),
        );
        expect(taken.length).toBeLessThanOrEqual(1);
        for (const effect of taken) if (effect.type === 'save_footing') expect(effect.step?.class).toBe(effect.failure?.class);
      });
    });
  });

  test('what is relaxed is what the ladder has against that very failure, at the settings in force and within the limits', () => {
    const relaxed = new Set<string>();
    whatever((past) => {
      play(past, (_, news, { footing: { steps: taken } }) => {
        for (const effect of news) {
          if (effect.type !== 'save_footing' || effect.change !== 'relaxed') continue;
          const { class: name, evidence: told } = effect.failure!;
          const evidence = { ...told, patienceOver: true };
          expect(effect.step).toEqual(nextStep({ class: name, setup: relax(SETUP, taken), limits: LIMITS, evidence, taken }));
          expect(past.runs).toBe(true);
          relaxed.add(name);
        }
      });
    });
    expect(relaxed).toEqual(new Set([...OOM, 'busy-vram']));
  });

  test('less of a card that somebody else holds is asked for only when it has been waited for', () => {
    const ways = new Set<string>();
    whatever((past) => {
      play(past, (world, news, { history: { busySinceMs } }, { kind }) => {
        if (!news.some((effect) => effect.type === 'save_footing' && effect.change === 'relaxed' && effect.step?.class === 'busy-vram'))
          return;
        ways.add(kind);
        if (kind === 'crowded-out') expect(world.nowMs - (busySinceMs ?? Infinity)).toBeGreaterThanOrEqual(POLICY.vramPatienceMs);
      });
    });
    expect(ways).toEqual(new Set(['crowded', 'crowded-out']));
  });

  test('every step on record is in force, and one is given back only by a start', () => {
    whatever((past) => {
      let before = 0;
      play(past, (world, news) => {
        const { length } = world.machine.footing.steps;
        if (length < before) expect(news.some(({ type }) => type === 'await_clearance')).toBe(true);
        if (length !== before) expect(news.some((effect) => effect.type === 'save_footing' && effect.change !== null)).toBe(true);
        before = length;
      });
    });
  });

  test('a worker that serves is told to end only by an operator, a failure or its own engine', () => {
    whatever((past) => {
      play(past, (world, news, before, { kind }) => {
        if (before.life.state !== 'ready' || world.state !== 'stopping') return;
        const isToBeTold = world.machine.life.state === 'stopping' && world.machine.life.untold !== null;
        expect(isToBeTold || news.some(({ type }) => type === 'report_failure') || WISHES.has(kind)).toBe(true);
      });
    });
  });
});

/** Every way from one state to another that there is. */
const EDGES = [
  ...['idle>starting', 'idle>ready', 'idle>asleep'],
  ...['starting>warming', 'starting>stopping', 'starting>backoff', 'starting>failed', 'starting>idle'],
  ...['warming>ready', 'warming>stopping'],
  ...['ready>draining', 'ready>stopping'],
  ...['draining>ready', 'draining>stopping', 'draining>asleep'],
  ...['asleep>starting', 'asleep>stopping'],
  ...['stopping>idle', 'stopping>starting', 'stopping>backoff', 'stopping>failed'],
  ...['backoff>starting', 'backoff>idle'],
  ...['failed>stopping'],
];

/** Where within a state a history may stop for a moment. */
const STEPS = [
  ...['starting clearing', 'starting clearing sleeper', 'starting spawning', 'starting loading', 'starting waking'],
  ...['draining told', 'draining stalled', 'draining emptying', 'draining dozing'],
  ...['stopping leader', 'stopping group', 'stopping kill', 'stopping sweep'],
];

test('these histories go every way there is, and no other', () => {
  const visited = new Set<string>();
  const found = new Set<string | null>();
  const changes = new Set<string | null>();
  const steps = new Set<string>();
  whatever((past) => {
    found.add(past.found);
    const world = begin(past);
    if (past.found) visited.add(`idle>${world.state}`);
    // One happening may be several steps.
    world.onStep = (from, to) => void (from !== to && visited.add(`${from}>${to}`));
    for (const event of past.events) {
      happen(world, event);
      const { life } = world.machine;
      if ('step' in life) steps.add(`${life.state} ${life.step}${'sleeper' in life && life.sleeper ? ' sleeper' : ''}`);
    }
    for (const effect of world.effects) if (effect.type === 'save_footing') changes.add(effect.change);
  });
  expect([...visited].toSorted()).toEqual(EDGES.toSorted());
  expect(found).toEqual(new Set([null, 'ready', 'loading', 'asleep']));
  expect(steps).toEqual(new Set(STEPS));
  expect(changes).toEqual(new Set([null, 'relaxed', 'relapsed', 'restored', 'reset']));
});

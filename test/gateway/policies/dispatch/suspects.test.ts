import { describe, expect, test } from 'vitest';
import type { WorkerLife } from '../../../../gateway/core/worker.ts';
import type { GatewayError } from '../../../../gateway/core/errors.ts';
import { Suspects } from '../../../../gateway/policies/dispatch/suspects.ts';

const BODY = Buffer.from('{"prompt":"the one that kills"}');
const SAME_BYTES = Buffer.from(BODY);
const OTHER = Buffer.from('{"prompt":"another"}');
const CROWD = Array.from({ length: 7 }, (_, i) => Buffer.from(`{"prompt":"innocent ${i}"}`));
const TEN_MINUTES_MS = 600_000;

/** The kind of the error that it throws, or what it returns. */
function outcome(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return (error as GatewayError).kind;
  }
}

const LIVES = new Map<string, WorkerLife>();

/** The same name is the same life. */
function lifeOf(name: string): WorkerLife {
  const life = LIVES.get(name) ?? { since: 0 };
  LIVES.set(name, life);
  return life;
}

/** A worker dies while the body waits for the first byte of its answer. @returns whether the call may go on, or the kind of the refusal */
function dies(suspects: Suspects, body: Buffer, life: string, now: number): unknown {
  suspects.record(body, lifeOf(life), true, now);
  return outcome(() => suspects.mayGoOn(body, now));
}

describe('a life that was taken for ended, and goes on', () => {
  /** It is known to go on from `from` on. */
  const goesOn = (from: number) => (now: number) => (now >= from ? 'none' : 'strong');

  test('is held against nobody', () => {
    const suspects = new Suspects();
    suspects.record(BODY, lifeOf('w0'), true, 0, goesOn(5));
    suspects.record(BODY, lifeOf('w1'), true, 0, goesOn(6));
    expect(outcome(() => suspects.enter(BODY, 4))).toBe('suspect');
    expect(suspects.enter(BODY, 5)).toBeNull();
    expect(dies(suspects, BODY, 'w2', 6)).toBe(true);
  });

  test('leaves the others that did end', () => {
    const suspects = new Suspects();
    suspects.record(BODY, lifeOf('w1'), true, 0, goesOn(1));
    for (const life of ['w0', 'w2']) suspects.record(BODY, lifeOf(life), true, 0);
    expect(outcome(() => suspects.enter(BODY, 9))).toBe('suspect');
  });

  test('is no crowd for those that were alone with it', () => {
    const suspects = new Suspects();
    for (const body of CROWD) suspects.record(body, lifeOf('w0'), true, 0, goesOn(1));
    suspects.record(BODY, lifeOf('w0'), true, 0);
    for (const body of CROWD) expect(suspects.enter(body, 1)).toBeNull();
    expect(dies(suspects, BODY, 'w1', 2)).toBe('suspect');
  });
});

describe('a body that had a death to itself', () => {
  test('has one held against it for nothing, and is not sent again after two', () => {
    const suspects = new Suspects();
    expect(dies(suspects, BODY, 'w0', 0)).toBe(true);
    expect(suspects.enter(SAME_BYTES, 0)).toBeNull();
    expect(dies(suspects, SAME_BYTES, 'w1', 10)).toBe('suspect');
    expect(outcome(() => suspects.enter(SAME_BYTES, 10))).toBe('suspect');
    expect(suspects.enter(OTHER, 10)).toBeNull();
  });

  test('is the one, whoever shared the other death', () => {
    const suspects = new Suspects();
    dies(suspects, BODY, 'w0', 0);
    for (const innocent of CROWD) expect(dies(suspects, innocent, 'w1', 1)).toBe(true);
    expect(dies(suspects, BODY, 'w1', 1)).toBe('suspect');
    for (const innocent of CROWD) expect(suspects.enter(innocent, 1)).toBeNull();
  });

  test('has killed a worker once, however many equal bodies went with it', () => {
    const suspects = new Suspects();
    for (let i = 0; i < 64; i++) expect(dies(suspects, BODY, 'w0 since 12', 0)).toBe(true);
    expect(suspects.enter(BODY, 0)).toBeNull();
  });

  test('has killed the same worker twice if that was restarted in between', () => {
    const suspects = new Suspects();
    dies(suspects, BODY, 'w0 since 12', 0);
    expect(dies(suspects, BODY, 'w0 since 99', 100)).toBe('suspect');
  });

  test('is forgotten ten minutes after the last death', () => {
    const suspects = new Suspects();
    dies(suspects, BODY, 'w0', 0);
    dies(suspects, BODY, 'w1', 1_000);
    expect(outcome(() => suspects.enter(BODY, TEN_MINUTES_MS + 1_000))).toBe('suspect');
    expect(suspects.enter(BODY, TEN_MINUTES_MS + 1_001)).toBeNull();
  });

  test('is forgotten so where others have died since, too', () => {
    const suspects = new Suspects();
    dies(suspects, BODY, 'w0', 0);
    dies(suspects, BODY, 'w1', 1_000);
    dies(suspects, OTHER, 'w0', TEN_MINUTES_MS);
    expect(outcome(() => suspects.enter(BODY, TEN_MINUTES_MS + 1_000))).toBe('suspect');
    expect(suspects.enter(BODY, TEN_MINUTES_MS + 1_001)).toBeNull();
  });

  test('has nothing added up that lies more than ten minutes apart', () => {
    const suspects = new Suspects();
    dies(suspects, BODY, 'w0', 0);
    expect(dies(suspects, BODY, 'w1', TEN_MINUTES_MS + 1)).toBe(true);
    expect(suspects.enter(BODY, TEN_MINUTES_MS + 1)).toBeNull();
  });

  test('is among the thousand whose deaths are the latest', () => {
    const suspects = new Suspects();
    const bodies = Array.from({ length: 1_000 }, (_, i) => Buffer.from(`body ${i}`));
    for (const [i, body] of bodies.entries()) for (const life of ['a', 'b']) dies(suspects, body, `${life}${i}`, i);
    dies(suspects, OTHER, 'w0', 1_000);
    expect(suspects.enter(bodies[0]!, 1_000)).toBeNull();
    for (const late of [bodies[1]!, bodies[999]!]) expect(outcome(() => suspects.enter(late, 1_000))).toBe('suspect');
  });
});

describe('bodies that shared both deaths', () => {
  function afterTwoDeaths(): Suspects {
    const suspects = new Suspects();
    for (const body of [...CROWD, BODY]) expect(dies(suspects, body, 'w0', 0)).toBe(true);
    for (const body of [...CROWD, BODY]) expect(dies(suspects, body, 'w1', 1)).toBe(false);
    return suspects;
  }
  const [first, second] = CROWD as [Buffer, Buffer];

  test('are not refused for good, but sent again one at a time', () => {
    const suspects = afterTwoDeaths();
    const trial = suspects.enter(first, 2);
    expect(outcome(() => suspects.enter(second, 2))).toBe('worker_busy');
    expect(suspects.enter(OTHER, 2)).toBeNull();
    trial!.release();
    expect(suspects.enter(second, 2)).not.toBeNull();
  });

  test('make room for the next only when the last call with the same bytes is over', () => {
    const suspects = afterTwoDeaths();
    const calls = [suspects.enter(first, 2), suspects.enter(first, 2)];
    calls[0]!.release();
    calls[0]!.release();
    expect(outcome(() => suspects.enter(second, 2))).toBe('worker_busy');
    calls[1]!.release();
    expect(suspects.enter(second, 2)).not.toBeNull();
  });

  test('are cleared by an answer', () => {
    const suspects = afterTwoDeaths();
    const trial = suspects.enter(first, 2);
    suspects.clear(first);
    trial!.release();
    expect(suspects.enter(first, 2)).toBeNull();
    expect(dies(suspects, first, 'w2', 3)).toBe(true);
  });

  test('are found out when a worker dies while one is tried, whatever else was sent to it', () => {
    const suspects = afterTwoDeaths();
    const trial = suspects.enter(BODY, 2);
    expect(dies(suspects, OTHER, 'w2', 3)).toBe(true);
    expect(dies(suspects, BODY, 'w2', 3)).toBe('suspect');
    trial!.release();
    expect(outcome(() => suspects.enter(BODY, 4))).toBe('suspect');
    expect(suspects.enter(first, 4)).not.toBeNull();
  });

  test('say how many deaths there were, and when to come back', () => {
    const suspects = afterTwoDeaths();
    suspects.enter(BODY, 2);
    const refusal = (act: () => unknown): unknown => {
      try {
        return act();
      } catch (error) {
        return error;
      }
    };
    const waits = refusal(() => suspects.enter(first, 2));
    expect(waits).toMatchObject({ status: 503, details: { retryAfterMs: 2_000, onlyThis: true } });
    suspects.record(BODY, lifeOf('w2'), true, 3);
    expect(refusal(() => suspects.mayGoOn(BODY, 3))).toMatchObject({
      status: 422,
      message: 'Workers died or broke off while they served this request (3 times); it is not tried again.',
    });
  });
});

describe('a body whose workers may have been killed by somebody', () => {
  const killed = () => 'weak' as const;
  const dies = (suspects: Suspects, body: Buffer, life: string, now: number): unknown => {
    suspects.record(body, lifeOf(life), true, now, killed);
    return outcome(() => suspects.mayGoOn(body, now));
  };

  test('is not sent on at once after two, but tried alone, and is the one after three that it had to itself', () => {
    const suspects = new Suspects();
    expect(dies(suspects, BODY, 'k0', 0)).toBe(true);
    expect(dies(suspects, BODY, 'k1', 1)).toBe(false);
    expect(suspects.enter(BODY, 2)).not.toBeNull();
    expect(dies(suspects, BODY, 'k2', 3)).toBe('suspect');
  });

  test('is not blamed for having been tried alone when somebody killed once more', () => {
    const suspects = new Suspects();
    for (const life of ['k0', 'k1']) for (const body of [...CROWD, BODY]) dies(suspects, body, life, 0);
    const trial = suspects.enter(BODY, 1)!;
    expect(dies(suspects, BODY, 'k2', 2)).toBe(false);
    trial.release();
    expect(outcome(() => suspects.enter(BODY, 3))).not.toBe('suspect');
  });

  test('is the one where a death that it had to itself turns out to be its worker’s own', () => {
    const suspects = new Suspects();
    let told: 'weak' | 'strong' = 'weak';
    suspects.record(BODY, lifeOf('k0'), true, 0, () => told);
    expect(dies(suspects, BODY, 'k1', 1)).toBe(false);
    told = 'strong';
    expect(outcome(() => suspects.enter(BODY, 2))).toBe('suspect');
  });
});

describe('a body whose worker died in the middle of the answer', () => {
  test('is not sent again after two of which it had one to itself', () => {
    const suspects = new Suspects();
    suspects.record(BODY, lifeOf('w0'), false, 0);
    expect(suspects.enter(BODY, 1)).toBeNull();
    suspects.record(BODY, lifeOf('w1'), false, 2);
    expect(outcome(() => suspects.enter(BODY, 3))).toBe('suspect');
  });

  test('is sent as any other while it shares them: it is load that ends workers so', () => {
    const suspects = new Suspects();
    for (const life of ['w0', 'w1', 'w2']) for (const body of [...CROWD, BODY]) suspects.record(body, lifeOf(life), false, 1);
    for (const body of [...CROWD, BODY]) expect(suspects.enter(body, 2)).toBeNull();
  });

  test('keeps one that had no byte yet from being alone with the death', () => {
    const suspects = new Suspects();
    for (const life of ['w0', 'w1']) {
      suspects.record(OTHER, lifeOf(life), false, 0);
      expect(dies(suspects, BODY, life, 0)).toBe(life === 'w0');
    }
    expect(suspects.enter(BODY, 1)).not.toBeNull();
    expect(suspects.enter(OTHER, 1)).toBeNull();
  });
});

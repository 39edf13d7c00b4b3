import { describe, expect, test } from 'vitest';
import type { CallSeen } from '../../../scripts/chaos/law/call-seen.ts';
import {
  type Facts,
  firstElsewhere,
  GOES_ELSEWHERE,
  leftAloneFor,
  notDoubled,
  NOTICED,
  OK_ONCE_AWAY,
  okAfter,
  okBut,
  OTHERS_OK,
  refusedFor,
  RETRIED,
  STAYS,
  STRUCK_BODIES_OK,
  STRUCK_STREAMS_BROKEN,
  STRUCK_STREAMS_OK,
  STRUCK_WHOLE_OR_BROKEN,
} from '../../../scripts/chaos/law/proofs.ts';

function call(id: string, over: Partial<CallSeen> = {}): CallSeen {
  return {
    ...{ id, mark: { id, words: 2 }, stream: true, sentMs: 1_500, endMs: 1_600, ending: 'ok', status: 200, code: null },
    ...{ text: `${id}.0 `, ends: 1, surplus: 0, garbage: 0, retryAfter: null, reason: null },
    ...over,
  };
}

const broken = { ending: 'broken', code: 'timeout' } as const;
const refused = (status: number) => ({ ending: 'refused', status, code: 'x', text: '', ends: 0 }) as const;
const times = (count: number, name: string, over: Partial<CallSeen> = {}) =>
  Array.from({ length: count }, (_, at) => call(`${name}-${at}`, over));

/** A fault from 1,000 to 5,000 that has struck these calls. */
function facts(calls: readonly CallSeen[], struck: readonly string[] = [], over: Partial<Facts> = {}): Facts {
  return {
    calls,
    ...{ struckMs: 1_000, healedMs: 5_000, soundMs: 5_100 },
    strikes: struck.map((id, at) => ({ id, atMs: 1_500 + at })),
    asked: [new Map(struck.map((id) => [id, 1])), new Map()],
    ...{ away: [], triesMs: [], attempts: new Map() },
    ...over,
  };
}

test('a call is sent to workers as often as it may be tried, and no more', () => {
  const asked = (one: number, two: number): Facts['asked'] => [new Map([['c-1', one]]), new Map([['c-1', two]])];
  expect(notDoubled([call('c-1')], asked(1, 1))).toEqual([]);
  expect(notDoubled([call('c-1')], asked(2, 1))).toEqual([]);
  expect(notDoubled([call('c-1')], asked(2, 2))).toEqual(['c-1 was sent 2 times to the first worker and 2 times to the second']);
  expect(notDoubled([call('c-1')], asked(0, 3))).toHaveLength(1);
});

describe('where calls that a fault met have gone', () => {
  const elsewhere = (over: Partial<CallSeen> = {}) => facts([call('c-1', over)], ['c-1'], { asked: [new Map(), new Map([['c-1', 1]])] });

  test('to the other worker', () => {
    expect(GOES_ELSEWHERE(elsewhere())).toEqual([]);
    expect(GOES_ELSEWHERE(elsewhere(refused(502)))).toHaveLength(1);
    expect(GOES_ELSEWHERE(facts([call('c-1')], ['c-1']))).toHaveLength(1);
    expect(GOES_ELSEWHERE(facts([call('c-1')]))).toHaveLength(1);
  });

  test('nowhere', () => {
    expect(STAYS(facts([call('c-1', refused(504))], ['c-1']))).toEqual([]);
    expect(STAYS(elsewhere())).toHaveLength(1);
  });

  test('those that met nothing must be answered', () => {
    const others = times(5, 'o');
    expect(OTHERS_OK(facts([...others, call('c-1', refused(502))], ['c-1']))).toEqual([]);
    expect(OTHERS_OK(facts([...others, call('c-1', refused(502))]))).toHaveLength(1);
    expect(OTHERS_OK(facts(others.slice(1)))).toHaveLength(1);
  });
});

test.each([
  ['streams are answered', STRUCK_STREAMS_OK, {}, broken],
  ['other calls are answered', STRUCK_BODIES_OK, { stream: false }, { stream: false, ...refused(502) }],
  ['streams break', STRUCK_STREAMS_BROKEN, broken, {}],
  ['streams break after words', STRUCK_STREAMS_BROKEN, broken, { ...broken, text: '' }],
  ['streams are whole or broken', STRUCK_WHOLE_OR_BROKEN, broken, refused(503)],
] as const)('of calls that the fault met %s', (_, proof, right, wrong) => {
  expect(proof(facts([call('c-1', right)], ['c-1']))).toEqual([]);
  expect(proof(facts([call('c-1', right), call('c-2', wrong)], ['c-1', 'c-2']))).toHaveLength(1);
  // Where the fault met none, nothing is shown.
  expect(proof(facts([call('c-1', right)]))).toHaveLength(1);
});

test('the first ten that a fault met are answered by the other worker, later ones may be told so', () => {
  const ids = Array.from({ length: 12 }, (_, at) => `c-${at}`);
  const other: Facts['asked'] = [new Map(), new Map([['c-0', 1]])];
  const proof = firstElsewhere(502);
  const played = (wrong: number, how: Partial<CallSeen>) =>
    facts([...times(5, 'o'), ...ids.map((id, at) => call(id, at === wrong ? how : {}))], ids, { asked: other });
  expect(proof(played(11, refused(502)))).toEqual([]);
  expect(proof(played(11, refused(503)))).toHaveLength(1);
  expect(proof(played(11, broken))).toHaveLength(1);
  expect(proof(played(9, refused(502)))).toHaveLength(1);
  expect(proof(facts([...times(5, 'o'), ...times(9, 'c')], ids.slice(0, 9), { asked: other }))).toHaveLength(1);
});

test('while a worker is left alone only those that try it may fail, one each time', () => {
  const away: Partial<Facts> = { away: [[2_000, 4_000]] };
  const after = times(6, 'c', { sentMs: 3_000 });
  const failed = call('x', { sentMs: 3_000, ...refused(504) });
  expect(OK_ONCE_AWAY(facts(after, [], away))).toEqual([]);
  expect(OK_ONCE_AWAY(facts([...after, failed], [], away))).toHaveLength(1);
  expect(OK_ONCE_AWAY(facts([...after, failed], [], { ...away, triesMs: [2_500] }))).toEqual([]);
  expect(OK_ONCE_AWAY(facts([...after, failed], [], { ...away, triesMs: [1_500, 6_000] }))).toHaveLength(1);
  for (const sentMs of [1_500, 4_100])
    expect(OK_ONCE_AWAY(facts([...after, call('y', { sentMs, ...refused(504) })], [], away))).toEqual([]);
  expect(OK_ONCE_AWAY(facts(after))).toEqual(['the worker was never left alone']);
  expect(OK_ONCE_AWAY(facts(after.slice(2), [], away))).toHaveLength(1);
});

test('calls later than a while after the fault are answered, until its end', () => {
  const later = times(5, 'c', { sentMs: 2_000 });
  expect(okAfter(500)(facts([...later, call('x', { sentMs: 1_400, ...broken }), call('y', { sentMs: 5_000, ...broken })]))).toEqual([]);
  expect(okAfter(500)(facts([...later, call('x', { sentMs: 1_500, ...broken })]))).toHaveLength(1);
  expect(okAfter(500)(facts(later.slice(1)))).toHaveLength(1);
});

test('only streams that are under way at a kill may break', () => {
  const others = times(5, 'c', { sentMs: 1_700, endMs: 1_800 });
  expect(okBut([1_550])(facts([...others, call('x', broken)]))).toEqual([]);
  expect(okBut([1_450])(facts([...others, call('x', broken)]))).toHaveLength(1);
  expect(okBut([1_550])(facts([...others, call('x', { stream: false, ...refused(502) })]))).toHaveLength(1);
});

test('a second attempt, or a worker that is left alone, shows that a fault was met', () => {
  const retried = facts([call('c-1')], [], { attempts: new Map([['c-1', 2]]) });
  expect(RETRIED(retried)).toEqual([]);
  expect(RETRIED(facts([call('c-1')], [], { attempts: new Map([['c-1', 1]]) }))).toHaveLength(1);
  expect(RETRIED(facts([call('c-1', { sentMs: 1, endMs: 2 })], [], { attempts: new Map([['c-1', 2]]) }))).toHaveLength(1);
  expect([NOTICED(retried), NOTICED(facts([], [], { away: [[2_000, 3_000]] }))]).toEqual([[], []]);
  expect(NOTICED(facts([call('c-1')]))).toHaveLength(1);
});

test('a worker that asked for rest has it while calls go on', () => {
  const calls = times(5, 'c', { sentMs: 2_500 });
  const strikes = [1_100, 1_200, 2_300].map((atMs, at) => ({ id: `s-${at}`, atMs }));
  const rest = (over: Partial<Facts>, of = calls) => leftAloneFor(1_000)(facts(of, [], { strikes, healedMs: 2_800, ...over }));
  expect(rest({ healedMs: 3_400 })).toEqual([]);
  // Between 1,200 and 2,300 no call was sent.
  expect(rest({})).toHaveLength(1);
  expect(rest({ healedMs: 3_400 }, [...calls, call('x', { sentMs: 2_600, ...broken })])).toHaveLength(1);
});

test('refusals have the reason that they should have', () => {
  const full = call('c-1', { ...refused(503), reason: 'queue_full' });
  expect(refusedFor('queue_full')(facts([full]))).toEqual([]);
  expect(refusedFor('queue_full', 2)(facts([full]))).toHaveLength(1);
  expect(refusedFor('kv_pressure')(facts([full, call('c-2')]))).toHaveLength(1);
});

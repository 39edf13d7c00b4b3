import { expect, test } from 'vitest';
import type { CallSeen } from '../../../scripts/chaos/law/call-seen.ts';
import { answerOf } from '../../../scripts/chaos/law/mark.ts';
import { NOTHING_LEFT } from '../../../scripts/chaos/law/leaks.ts';
import { GatewayLog } from '../../../scripts/chaos/rows/gateway-log.ts';
import { judge, type Judged } from '../../../scripts/chaos/rows/judge.ts';
import type { Row } from '../../../scripts/chaos/rows/row.ts';
import { runRow } from '../../../scripts/chaos/rows/run-row.ts';
import { runRows } from '../../../scripts/chaos/rows/run-rows.ts';
import type { Stage } from '../../../scripts/chaos/rows/stage.ts';

function call(id: string, at: number, over: Partial<CallSeen> = {}): CallSeen {
  const mark = { id, words: 2 };
  return {
    ...{ id, mark, stream: false, sentMs: at, endMs: at, ending: 'ok', status: 200, code: null, text: answerOf(mark) },
    ...{ ends: 0, surplus: 0, garbage: 0, retryAfter: null, reason: null },
    ...over,
  };
}

const ROW: Row = {
  ...{ name: 'x', fault: 'a fault', how: 'somehow', holds: 'every call answered', noLines: true, holdMs: 0 },
  strike: (stage) => stage.struck++,
  heal: () => undefined,
};

interface Faked {
  /** By GET /stats, for ever. */
  readonly inFlight?: number;
  readonly exitCode?: number;
  readonly call?: Partial<CallSeen>;
}

/** A stage whose gateway answers each call at once, and whatever else it is told to. */
function stageOf({ inFlight = 0, exitCode = 0, call: over = {} }: Faked = {}): Stage {
  const calls: CallSeen[] = [];
  const ended = new Map<string, number>();
  const stats = { workers: [{ id: 'a', state: 'ready', in_flight: 0 }], breakers: {}, batcher: { pending_requests: 0 } };
  const queue = { in_flight: inFlight, depth: { interactive: 0, batch: 0 } };
  const admin = async (path: string) =>
    new Response(path === '/stats' ? JSON.stringify({ ...stats, queue }) : 'headgate_requests_in_flight 0\n');
  const gateway = { url: 'http://127.0.0.1:9', pid: 0, port: 9, ended, admin, signal: () => undefined, exit: async () => exitCode };
  let timer: NodeJS.Timeout | undefined;
  const seen = (): void => {
    const id = `c-${calls.length}`;
    ended.set(id, 1);
    calls.push(call(id, performance.now(), over));
  };
  const worker = { strikes: [], asked: new Map(), openRequests: 0 };
  const stage = {
    ...{
      gateway,
      calls,
      a: worker,
      b: worker,
      line: worker,
      log: new GatewayLog(),
      odd: { end: () => undefined },
      isOver: false,
      dropped: 0,
    },
    ...{ noted: { enginePid: 0, statuses: [], momentsMs: [], exitCode: null, uploadError: null, said: [] }, struck: 0 },
    get strikes(): number {
      return stage.struck;
    },
    begin: () => ({ start: () => (timer = setInterval(seen, 5)) }),
    endTraffic: async () => clearInterval(timer),
    openAtWorkers: async () => 0,
    [Symbol.asyncDispose]: async () => clearInterval(timer),
  };
  return stage as unknown as Stage;
}

const played = (row: Partial<Row>, faked: Faked = {}) => runRow({ ...ROW, ...row }, 1, async () => stageOf(faked));

test('a row whose calls are well, and whose fault has struck, is survived', async () => {
  const { verdict, notes, struck, tally } = await played({ allOk: true });
  expect([verdict, notes, struck]).toEqual(['survived', [], 1]);
  expect(tally!.ok).toBeGreaterThan(15);
});

test('a row whose fault has struck nothing is broken', async () => {
  expect(await played({ strike: () => undefined })).toMatchObject({ verdict: 'broken', notes: ['the fault has struck nothing'] });
});

test('a row that leaves a call behind is broken', { timeout: 40_000 }, async () => {
  const { verdict, notes } = await played({}, { inFlight: 1 });
  expect([verdict, notes]).toEqual(['broken', ['leaked: 1 calls in flight']]);
});

test('a row whose gateway does not end well is broken, and so is one with a promise that does not hold', async () => {
  expect(await played({}, { exitCode: 1 })).toMatchObject({ verdict: 'broken', notes: ['the gateway, told to stop, ended with 1'] });
  const promised = await played({ proofs: [({ away }) => (away.length === 0 ? ['never left alone'] : [])] });
  expect(promised).toMatchObject({ verdict: 'broken', notes: ['never left alone'] });
});

test('a row that cannot be played has failed, and so has one that cannot be cleared away', async () => {
  const unplayable = await runRow(ROW, 1, () => Promise.reject(new Error('no port')));
  expect(unplayable).toMatchObject({ verdict: 'failed', notes: ['no port'], tally: null });
  const setting: Row['setting'] = (cleanUp) => {
    cleanUp(() => Promise.reject(new Error('still there')));
    return {};
  };
  const { verdict, notes, tally } = await played({ setting });
  expect([verdict, notes]).toEqual(['failed', ['something that was started for the row could not be ended: still there']]);
  expect(tally).not.toBeNull();
  const missing = (): string => {
    throw new Error('nobody knows');
  };
  expect(await played({ missing })).toMatchObject({ verdict: 'failed', notes: ['nobody knows'] });
});

test('rows that are to be played alone come when all others are over', async () => {
  const names: string[] = [];
  const rows = ['one', 'two', 'three'].map((name): Row => ({
    ...ROW,
    name,
    missing: () => 'not here',
    ...(name === 'one' && { alone: true }),
  }));
  const results = await runRows(rows, {
    ...{ seed: 1, atOnce: 2, signal: new AbortController().signal },
    onStart: ({ name }) => void names.push(name),
  });
  expect(names).toEqual(['two', 'three', 'one']);
  expect(results.map(({ name }) => name)).toEqual(['one', 'two', 'three']);
});

const JUDGED: Judged = {
  facts: {
    calls: [call('c-1', 500)],
    ...{ struckMs: 400, healedMs: 900, soundMs: 1_000, strikes: [], asked: [new Map(), new Map()] },
    ...{ away: [], triesMs: [], attempts: new Map() },
  },
  ...{
    strikes: 1,
    dropped: 0,
    lines: { lines: 12, failed: 0, faults: [] },
    left: NOTHING_LEFT,
    ended: new Map([['c-1', 1]]),
    internalErrors: [],
  },
};
const broken = (row: Parameters<typeof judge>[0], over: Partial<Judged>) => judge(row, { ...JUDGED, ...over });
const withCalls = (...calls: CallSeen[]): Partial<Judged> => ({ facts: { ...JUDGED.facts, calls } });

test('what is broken is found wherever it shows', () => {
  expect(broken({ allOk: true }, {})).toEqual([]);
  expect(broken({}, { strikes: 0 })).toEqual(['the fault has struck nothing']);
  expect(broken({}, { dropped: 3 })).toEqual(['3 calls were never sent: too many were under way']);
  expect(broken({}, { left: { ...NOTHING_LEFT, openAtWorkers: NaN } })).toHaveLength(1);
  expect(broken({}, { left: null })).toHaveLength(1);
  expect(broken({}, { internalErrors: ['oh'] })).toEqual(['oh']);
  expect(broken({}, { lines: { lines: 12, failed: 0, faults: ['lost'] } })).toEqual(['lost']);
  const asked = [new Map([['c-1', 2]]), new Map([['c-1', 2]])] as const;
  expect(broken({}, { facts: { ...JUDGED.facts, asked } })).toHaveLength(1);
});

test('lines and calls may fail where the row does not promise that none does', () => {
  const lines = { lines: 12, failed: 2, faults: [] };
  expect(broken({}, { lines })).toEqual([]);
  expect(broken({ allOk: true }, { lines })).toEqual(['2 lines of the batch were to be answered, and have failed']);
  const refused = call('c-1', 500, { ending: 'refused', status: 502, code: 'upstream_error', text: '' });
  expect(broken({}, withCalls(refused))).toEqual([]);
  expect(broken({ allOk: true }, withCalls(refused))).toHaveLength(1);
});

test('what a fault may cost it may cost while it lasts', () => {
  const cut = { ending: 'cut', status: 0, code: 'ECONNRESET', text: '' } as const;
  expect(broken({ terms: { isKilled: true } }, withCalls(call('c-1', 500, cut)))).toEqual([]);
  expect(broken({ terms: { isKilled: true } }, withCalls(call('c-1', 2_000, cut)))).toHaveLength(1);
  expect(broken({ terms: { mayRefuse: true } }, withCalls(call('c-1', 950, cut)))).toEqual([]);
  expect(broken({}, withCalls(call('c-1', 500, cut)))).toHaveLength(1);
  const spoilt = call('c-1', 500, { text: 'c-1.0 \ufffd' });
  expect(broken({ terms: { isSpoilt: true } }, withCalls(spoilt))).toEqual([]);
  expect(broken({}, withCalls(spoilt))).toHaveLength(1);
});

test('a worker is left alone from when it is not ready, or its breaker opens, until neither is so', () => {
  const log = new GatewayLog();
  const hear = (ms: number, line: Record<string, unknown>): void =>
    log.hear({ time: new Date(performance.timeOrigin + ms).toISOString(), worker: 'a', ...line });
  const at = Math.floor(performance.now());
  hear(at - 20, { event: 'breaker', to: 'open' });
  expect(log.leftAlone('a', 0)).toEqual([[expect.closeTo(at - 20, -1), Infinity]]);
  hear(at - 19, { event: 'breaker', to: 'half_open' });
  hear(at - 18, { event: 'worker.state', state: 'starting' });
  hear(at - 17, { event: 'breaker', to: 'closed' });
  hear(at - 16, { event: 'worker.state', state: 'starting', worker: 'b' });
  hear(at - 10, { event: 'worker.state', state: 'ready' });
  hear(at - 5, { event: 'breaker', to: 'open' });
  hear(at - 4, { event: 'breaker', to: 'closed' });
  const spans = log.leftAlone('a', 0);
  expect(spans).toHaveLength(2);
  expect(spans[0]![1] - spans[0]![0]).toBeCloseTo(10, 3);
  expect([log.leftAlone('a', at - 12), log.leftAlone('c', 0), log.tries('a').length]).toEqual([[expect.any(Array)], [], 1]);
});

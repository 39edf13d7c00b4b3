import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CallRecord } from '../../../scripts/load/calls/call-record.ts';
import { type Pace, runLoad } from '../../../scripts/load/calls/run-load.ts';
import type { Target } from '../../../scripts/load/calls/target.ts';
import { distributionOf } from '../../../scripts/load/figures/distribution.ts';
import { e2eOf, heldOf, tpotOf, ttftOf } from '../../../scripts/load/figures/times.ts';
import { KnownDelays } from '../../../scripts/load/stub/known-delays.ts';
import { arrivals } from '../../../scripts/load/workload/arrivals.ts';
import { seeded } from '../../../scripts/load/workload/seeded.ts';

const target = (base: string, over: Partial<Target> = {}): Target => ({
  ...{ base, endpoint: 'chat', model: 'm', stream: true, headers: {}, extra: {}, timeoutMs: 20_000 },
  ...over,
});
const prompts = (index: number) => ({ text: `number ${index}`, outputTokens: 6, fields: null });
const open = (rate: number, seconds: number): Pace => ({
  kind: 'open',
  at: arrivals([{ from: rate, to: rate, seconds }], { kind: 'constant' }, seeded(1)),
  mostAtOnce: 1e5,
});
const load = (of: Target, pace: Pace, cancelShare = 0) => runLoad({ target: of, pace, prompts, seed: 1, cancelShare });

describe('against a server whose delays are known', () => {
  let stub: KnownDelays;
  let base = '';
  beforeAll(async () => {
    stub = new KnownDelays({ ttftMs: 80, tokenMs: 15, sigma: 0.3, seed: 1 });
    base = await stub.listen();
  });
  afterAll(() => stub.close());

  test('each time is what the server did, and a little for the way', async () => {
    stub.forget();
    const { records } = await load(target(base), open(20, 3));
    expect(records.map(({ outcome }) => outcome)).toEqual(new Array(60).fill('ok'));
    const told = stub.told();
    // How much the way takes is the machine's; less than the server took there cannot be. What it took in all is compared by "npm run show:load".
    // In the middle of them: those that a pause of the machine fell on are fewer.
    const slower = (mine: readonly number[], theirs: readonly number[]) => distributionOf(mine).p50 - distributionOf(theirs).p50;
    expect(slower(records.map(ttftOf), told.ttft)).toBeGreaterThan(-1);
    expect(slower(records.map(ttftOf), told.ttft)).toBeLessThan(60);
    expect(slower(records.map(e2eOf), told.e2e)).toBeGreaterThan(-1);
    expect(Math.abs(slower(records.map(tpotOf), told.tpot))).toBeLessThan(5);
    expect(
      records.every(({ outputTokens, inputTokens, tokensAt }) => outputTokens === 6 && inputTokens === 5 && tokensAt.length === 6),
    ).toBe(true);
  });

  test('a stall of the server is in the times of all who came meanwhile, which a closed loop hides', async () => {
    const [stallMs, seconds] = [1500, 4];
    const during = async (pace: Pace) => {
      const timer = setTimeout(() => stub.stall(stallMs), 1000);
      const { records } = await load(target(base), pace);
      clearTimeout(timer);
      return distributionOf(records.map(e2eOf));
    };
    const opened = await during(open(20, seconds));
    const closed = await during({ kind: 'closed', clients: 1, calls: Infinity, forMs: seconds * 1000 });
    // More than a third of the calls fell into it; of one client after another only one did.
    expect(opened.p90).toBeGreaterThan(stallMs / 2);
    expect(closed.max).toBeGreaterThan(stallMs / 2);
    expect(closed.p50).toBeLessThan(opened.p90 / 2);
  });

  test('no call is sent before its moment', async () => {
    // Moments that no timer hits: its steps are whole milliseconds.
    const at = Float64Array.from({ length: 300 }, (_, i) => i * 3.3 + 0.9);
    const { records } = await load(target(base, { stream: false }), { kind: 'open', at, mostAtOnce: 1e5 });
    expect(records.map(({ sentMs, scheduledMs }) => sentMs - scheduledMs).filter((late) => late < 0)).toEqual([]);
    expect(records).toHaveLength(300);
  });

  test('a call that is held back counts from the moment at which it was due', async () => {
    const { records, mostAtOnce } = await runLoad({
      target: target(base),
      pace: { ...(open(50, 1) as Extract<Pace, { kind: 'open' }>), mostAtOnce: 2 },
      prompts,
      seed: 1,
      cancelShare: 0,
    });
    expect(mostAtOnce).toBe(2);
    const last = records.toSorted((a, b) => b.scheduledMs - a.scheduledMs)[0]!;
    expect(last.sentMs - last.scheduledMs).toBeGreaterThan(1000);
    expect(ttftOf(last)).toBeGreaterThan(1000);
    // Nearly all of it is the server's doing, and the record says so.
    expect(heldOf(last)).toBeGreaterThan(1000);
    expect(heldOf(last)).toBeLessThanOrEqual(last.sentMs - last.scheduledMs);
    expect(records.filter(({ heldMs }) => heldMs === undefined).length).toBeGreaterThanOrEqual(2);
  });

  test('of calls that wait for a place each is looked at so many times, however many are under way', async () => {
    const { then } = Promise.prototype;
    let looks = 0;
    Promise.prototype.then = function counting(this: Promise<unknown>, ...handlers: Parameters<typeof then>) {
      looks += 1;
      return then.apply(this, handlers);
    } as typeof then;
    try {
      const pace: Pace = { kind: 'open', at: new Float64Array(400), mostAtOnce: 100 };
      expect((await load(target(base, { stream: false }), pace)).records).toHaveLength(400);
    } finally {
      Promise.prototype.then = then;
    }
    // A race of a hundred for each of three hundred that end would be 30,000.
    expect(looks).toBeLessThan(400 * 30);
  });

  test('some leave in the middle', async () => {
    const { records } = await load(target(base), open(40, 1), 0.4);
    const left = records.filter(({ outcome }) => outcome === 'cancelled');
    expect(left.length).toBeGreaterThan(3);
    expect(left.length).toBeLessThan(30);
    expect(left.every(({ outputTokens }) => outputTokens < 6)).toBe(true);
  });

  test('answers without a stream', async () => {
    const { records } = await load(target(base, { stream: false }), { kind: 'closed', clients: 3, calls: 9, forMs: Infinity });
    expect(records.length).toBe(9);
    expect(
      records.every(({ outcome, outputTokens, firstTokenMs }) => outcome === 'ok' && outputTokens === 6 && Number.isNaN(firstTokenMs)),
    ).toBe(true);
  });

  test('an interruption ends what is under way', async () => {
    const stopping = new AbortController();
    const run = runLoad({ target: target(base), pace: open(20, 60), prompts, seed: 1, cancelShare: 0 }, { signal: stopping.signal });
    setTimeout(() => stopping.abort(), 500);
    const { records, wasInterrupted } = await run;
    expect(wasInterrupted).toBe(true);
    expect(records.length).toBeLessThan(200);
    expect(records.some(({ outcome }) => outcome === 'unfinished')).toBe(true);
  });
});

describe('what goes wrong is told by its kind', () => {
  const sse = { 'content-type': 'text/event-stream' };
  const choice = 'data: {"choices":[{"delta":{"content":"a"}}]}\n\n';
  const cases: readonly (readonly [string, RequestListener, Partial<CallRecord>])[] = [
    [
      'full',
      (_, res) =>
        res
          .writeHead(503, { 'content-type': 'application/json' })
          .end('{"error":{"message":"m","type":"t","code":"server_is_overloaded"}}'),
      { outcome: 'refused', status: 503, code: 'server_is_overloaded' },
    ],
    ['an error of its own', (_, res) => res.writeHead(500).end('<html>'), { outcome: 'failed', status: 500, code: 'error' }],
    ['cut before an answer', (req) => req.socket.destroy(), { outcome: 'failed', status: 0 }],
    [
      'cut in the middle',
      (_, res) => void res.writeHead(200, sse).write(choice, () => setTimeout(() => res.destroy(), 20)),
      { outcome: 'broken', status: 200, outputTokens: 1 },
    ],
    ['an end without [DONE]', (_, res) => res.writeHead(200, sse).end(choice), { outcome: 'broken', code: 'no_end' }],
    [
      'an error within the stream',
      (_, res) => res.writeHead(200, sse).end(`${choice}data: {"error":{"code":"upstream_disconnected"}}\n\n`),
      { outcome: 'broken', code: 'upstream_disconnected' },
    ],
    ['no stream', (_, res) => res.writeHead(200).end('{"choices":[]}'), { outcome: 'broken', code: 'no_stream' }],
    ['silence', () => {}, { outcome: 'timeout', status: 0, code: 'timeout' }],
  ];
  test.each(cases)('%s', async (_, listener, expected) => {
    const server = createServer(listener);
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const { records } = await load(target(`http://127.0.0.1:${port}`, { timeoutMs: expected.outcome === 'timeout' ? 700 : 20_000 }), {
      kind: 'closed',
      clients: 1,
      calls: 1,
      forMs: Infinity,
    });
    server.closeAllConnections();
    server.close();
    expect(records).toEqual([expect.objectContaining(expected)]);
  });

  test('nobody there', async () => {
    const { records } = await load(target('http://127.0.0.1:9'), { kind: 'closed', clients: 1, calls: 2, forMs: Infinity });
    expect(records.map(({ outcome, code }) => [outcome, code])).toEqual([
      ['failed', 'ECONNREFUSED'],
      ['failed', 'ECONNREFUSED'],
    ]);
  });
});

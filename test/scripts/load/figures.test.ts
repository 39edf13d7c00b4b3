import { describe, expect, test } from 'vitest';
import { type CallRecord, isError } from '../../../scripts/load/calls/call-record.ts';
import { EventReader, factsOf } from '../../../scripts/load/calls/events.ts';
import { distributionOf } from '../../../scripts/load/figures/distribution.ts';
import type { LoadResult } from '../../../scripts/load/figures/load-result.ts';
import { isGood, readSlo } from '../../../scripts/load/figures/slo.ts';
import { summaryOf } from '../../../scripts/load/figures/summary.ts';
import { validityOf } from '../../../scripts/load/figures/validity.ts';
import { vllmKeys } from '../../../scripts/load/figures/vllm-keys.ts';
import { readLoadOptions } from '../../../scripts/load/options.ts';
import { planLoad } from '../../../scripts/load/plan-load.ts';
import { LiveLine } from '../../../scripts/load/report/live-line.ts';
import { loadPage } from '../../../scripts/load/report/load-page.ts';

const BASE: CallRecord = {
  ...{
    index: 0,
    scheduledMs: 1000,
    sentMs: 1010,
    headMs: 1100,
    firstTokenMs: 1200,
    lastTokenMs: 1500,
    endMs: 1510,
    outcome: 'ok',
    status: 200,
    code: null,
  },
  ...{
    inputTokens: 20,
    outputTokens: 4,
    cachedTokens: 0,
    worker: 'worker-1',
    queueMs: 30,
    windowMs: 0,
    tokensAt: [1200, 1300, 1400, 1500],
  },
};
const call = (over: Partial<CallRecord>): CallRecord => ({ ...BASE, ...over });

const RESULT: Omit<LoadResult, 'records' | 'summary'> = {
  ...{ startedAt: 0, wasInterrupted: true, slo: {}, machine: {}, versions: {} },
  validity: { wantedRate: null, achievedRate: null, problems: [] },
  asked: {
    ...{ url: 'http://a', endpoint: 'chat', model: 'm', stream: true, label: null, seed: 1, pace: '', prompts: '' },
    ...{ requestRate: null, burstiness: null, mostAtOnce: null, cancelShare: 0 },
  },
};

describe('what calls come to', () => {
  test('times count from the moment at which a call was due, not from that at which it was sent', () => {
    const { ttft, e2e, tpot, itl, scheduleDelay } = summaryOf([BASE], 2000, {});
    expect([ttft.p50, e2e.p50, tpot.p50, scheduleDelay.p50]).toEqual([200, 510, 100, 10]);
    expect([itl.count, itl.mean]).toEqual([3, 100]);
  });

  test('errors are counted by what they were and have no times; those that the load left itself are none', () => {
    const records = [
      BASE,
      call({ outcome: 'refused', status: 503, code: 'server_is_overloaded' }),
      call({ outcome: 'refused', status: 503, code: 'server_is_overloaded' }),
      call({ outcome: 'broken', status: 200, code: 'no_end' }),
      call({ outcome: 'cancelled' }),
    ];
    const summary = summaryOf(records, 2000, {});
    expect([summary.calls, summary.ok, summary.errors]).toEqual([5, 1, 3]);
    expect(summary.errorKinds).toEqual([
      ['refused 503 server_is_overloaded', 2],
      ['broken 200 no_end', 1],
    ]);
    expect([summary.e2e.count, summary.requestRate, summary.outputTokenRate, summary.totalTokenRate]).toEqual([1, 0.5, 2, 12]);
  });

  test('what an interruption left unfinished is no error, wherever errors are told', () => {
    const records = (['ok', 'unfinished', 'unfinished', 'cancelled', 'failed'] as const).map((outcome) => call({ outcome }));
    const line = new LiveLine(10, 1000);
    for (const record of records) line.note(record, 0);
    expect(line.text(500)).toContain(' 1 errors ');
    expect(records.filter(isError)).toHaveLength(1);
    expect(summaryOf(records, 1000, {}).errors).toBe(1);
    const page = (of: readonly CallRecord[]): string => loadPage({ ...RESULT, records: of, summary: summaryOf(of, 1000, {}) });
    // The line of errors in the plot of rates lies where it would lie without them.
    const errorLine = (html: string) => /<path class="line t-bad" d="([^"]*)"/.exec(html)![1];
    const few = [call({ outcome: 'ok' }), call({ outcome: 'unfinished' })];
    expect(errorLine(page(few))).toBe(errorLine(page([call({ outcome: 'ok' }), call({ outcome: 'cancelled' })])));
    expect(errorLine(page(few))).not.toBe(errorLine(page([call({ outcome: 'ok' }), call({ outcome: 'failed' })])));
  });

  test('good is what was answered whole and kept to every objective', () => {
    expect(isGood(BASE, { ttft: 200, tpot: 100, itl: 100, e2e: 510 })).toBe(true);
    for (const slo of [{ ttft: 199 }, { tpot: 99 }, { itl: 99 }, { e2e: 509 }]) expect(isGood(BASE, slo)).toBe(false);
    expect(isGood(call({ outcome: 'broken' }), {})).toBe(false);
    // Without a stream there is no first token to wait for.
    expect(isGood(call({ firstTokenMs: NaN, lastTokenMs: NaN, tokensAt: [] }), { ttft: 1, tpot: 1, e2e: 510 })).toBe(true);
    expect(summaryOf([BASE, call({ endMs: 9000 })], 1000, { e2e: 600 }).goodput).toBe(1);
  });

  test.each([
    ['ttft:500 tpot:50 e2e:5000', { ttft: 500, tpot: 50, e2e: 5000 }],
    ['ttft:500,e2el:5000', { ttft: 500, e2e: 5000 }],
    ['', {}],
  ])('objectives are read: %j', (text, slo) => expect(readSlo(text)).toEqual(slo));
  test.each(['ttft', 'ttft:', 'ttft:-5', 'ttl:5', 'ttft:5x'])('no objectives: %j', (text) =>
    expect(readSlo(text)).toMatch('is no objective'),
  );

  test('percentiles lie between two neighbours as those of numpy do', () => {
    const of = distributionOf([4, 1, NaN, 3, 2]);
    // numpy.percentile([1, 2, 3, 4], [50, 90, 99])
    expect([of.count, of.p50, of.p90, of.p99, of.min, of.max, of.mean]).toEqual([4, 2.5, 3.7, 3.9699999999999998, 1, 4, 2.5]);
    expect(of.std).toBeCloseTo(1.118034, 6);
    expect(distributionOf([]).p50).toBeNaN();
  });
});

describe('whether it may be believed', () => {
  const pace = { kind: 'open', at: Float64Array.from({ length: 101 }, (_, i) => i * 100), mostAtOnce: 1e5 } as const;
  const told = (late: (i: number) => number) => {
    const records = [...pace.at].map((scheduledMs, i) => call({ scheduledMs, sentMs: scheduledMs + late(i) }));
    return validityOf(
      pace,
      records.map(({ sentMs }) => sentMs),
      summaryOf(records, 10_000, {}),
    );
  };

  test('a load that kept up is valid', () => {
    const { problems, wantedRate, achievedRate } = told(() => 3);
    expect(problems).toEqual([]);
    // A hundred and one calls have a hundred gaps.
    expect([wantedRate, achievedRate]).toEqual([10, 10]);
  });
  test('the rate that is told beforehand is the one that was asked for', () => {
    const read = readLoadOptions(['--rate', '10', '--duration', '10s', '--constant'], {});
    expect(read.kind === 'options' && planLoad(read.options).requestRate).toBeCloseTo(10, 9);
  });
  test('one that was late is not', () =>
    expect(told((i) => (i % 40 === 0 ? 80 : 0)).problems).toEqual([expect.stringContaining('ms late')]));
  test('one that fell behind is not', () =>
    expect(told((i) => i * 4).problems).toContainEqual(expect.stringContaining('instead of 10.00')));
  test('one that was held back says so, and does not blame the machine that sends', () => {
    const held = [...pace.at].map((scheduledMs, i) => call({ scheduledMs, sentMs: scheduledMs + i * 4, heldMs: i * 4 }));
    const of = (records: readonly CallRecord[]) =>
      validityOf(
        pace,
        records.map(({ sentMs }) => sentMs),
        summaryOf(records, 10_000, {}),
      ).problems;
    expect(of(held)).toEqual([
      expect.stringMatching(/^--most-at-once held calls back, one of a hundred until 396 ms late or more/),
      expect.stringMatching(/instead of 10\.00 .* because --most-at-once held calls back$/),
    ]);
    // Half of it by its own fault: both are told.
    expect(of(held.map((record) => ({ ...record, heldMs: record.heldMs! / 2 }))).slice(0, 2)).toEqual([
      expect.stringContaining('sent 198 ms late or more (50 allowed): the machine that sends'),
      expect.stringContaining('--most-at-once held calls back'),
    ]);
    // Neither of the two alone is too much.
    const each = [...pace.at].map((scheduledMs) => call({ scheduledMs, sentMs: scheduledMs + 60, heldMs: 30 }));
    expect(of(each)).toEqual([expect.stringContaining('sent 60 ms late or more (50 allowed)')]);
  });
  test('one that was interrupted is held against what it came to of its schedule', () => {
    const records = [...pace.at].slice(0, 31).map((scheduledMs) => call({ scheduledMs, sentMs: scheduledMs + 1 }));
    const sent = records.map(({ sentMs }) => sentMs);
    expect(validityOf(pace, sent, summaryOf(records, 3000, {}), true)).toEqual({ wantedRate: 10, achievedRate: 10, problems: [] });
    const unfinished = [call({ outcome: 'unfinished' })];
    expect(validityOf(pace, [0], summaryOf(unfinished, 10, {}), true).problems).toEqual(['it was interrupted before a call was answered']);
    expect(validityOf(pace, [], summaryOf([], 10, {}), true).problems).toEqual(['it was interrupted before a call was sent']);
  });
  test('one that nobody answered is not', () => {
    const records = [call({ outcome: 'failed', status: 0, code: 'ECONNREFUSED' })];
    expect(validityOf({ kind: 'closed', clients: 1, calls: 1, forMs: 1 }, [0], summaryOf(records, 1, {})).problems).toEqual([
      'no call was answered',
    ]);
  });
});

test("the result has the keys of vLLM's own benchmark", () => {
  const summary = summaryOf([BASE, call({ outcome: 'failed', status: 500 })], 2000, { ttft: 500 });
  const keys = vllmKeys(summary, [BASE], {
    startedAt: 0,
    endpoint: 'chat',
    model: 'm',
    label: null,
    requestRate: 10,
    burstiness: 1,
    mostAtOnce: null,
  });
  expect(keys).toMatchObject({
    date: '19700101-000000',
    backend: 'openai-chat',
    endpoint_type: 'openai-chat',
    model_id: 'm',
    num_prompts: 2,
    completed: 1,
    failed: 1,
  });
  expect(keys).toMatchObject({
    duration: 2,
    total_input_tokens: 20,
    total_output_tokens: 4,
    request_throughput: 0.5,
    request_goodput: 0.5,
    output_throughput: 2,
  });
  expect(keys).toMatchObject({
    mean_ttft_ms: 200,
    median_tpot_ms: 100,
    p99_itl_ms: 100,
    std_e2el_ms: 0,
    max_output_tokens_per_s: 4,
    max_concurrent_requests: 1,
  });
});

test.each([
  ['chat', 'openai-chat'],
  ['completions', 'openai'],
  ['embeddings', 'openai-embeddings'],
] as const)('the backend of %s is called %s there, under both names', (endpoint, name) => {
  const asked = { startedAt: 0, endpoint, model: 'm', label: null, requestRate: null, burstiness: null, mostAtOnce: null };
  expect(vllmKeys(summaryOf([BASE], 1000, {}), [BASE], asked)).toMatchObject({ backend: name, endpoint_type: name });
});

describe('events', () => {
  const stream =
    ': keep-alive\n\ndata: {"choices":[{"delta":{"content":"ü"}}]}\n\nevent: x\ndata: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":2}}}\r\n\r\ndata: [DONE]\n\n';
  test('are the same however their bytes are cut', () => {
    const bytes = Buffer.from(stream);
    for (let size = 1; size < bytes.length; size += 7) {
      const reader = new EventReader();
      const found: string[] = [];
      for (let at = 0; at < bytes.length; at += size) found.push(...reader.take(bytes.subarray(at, at + size)));
      expect(found.map(factsOf)).toEqual([
        { isDone: false, hasChoice: true, usage: null, error: null },
        { isDone: false, hasChoice: false, usage: { inputTokens: 3, outputTokens: 1, cachedTokens: 2 }, error: null },
        { isDone: true, hasChoice: false, usage: null, error: null },
      ]);
    }
  });
  test('tell of errors and nonsense', () => {
    expect(factsOf('{"error":{"message":"secret","type":"server_error","code":"upstream_error"}}').error).toBe('upstream_error');
    expect(factsOf('{"error":{"type":"server_error","code":null}}').error).toBe('server_error');
    expect(factsOf('{').error).toBe('invalid_event');
  });
});

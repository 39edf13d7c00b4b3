import { describe, expect, test } from 'vitest';
import { AnswerReader } from '../../../scripts/chaos/calls/answer-reader.ts';
import type { CallSeen } from '../../../scripts/chaos/law/call-seen.ts';
import { recoveryMs, tallyOf } from '../../../scripts/chaos/law/call-tally.ts';
import { breaches, type Terms } from '../../../scripts/chaos/law/law.ts';
import { leakedText, leaks, NOTHING_LEFT } from '../../../scripts/chaos/law/leaks.ts';
import { answerOf, markOf, promptOf } from '../../../scripts/chaos/law/mark.ts';

const TERMS: Terms = { limitMs: 1_000, statuses: [502, 503], killed: [], refusing: [], spoilt: [] };
/** A call of `seen` is under way from 0 to 100. */
const MEANWHILE = [[50, 60]] as const;
const LATER = [[2_000, 3_000]] as const;

function seen(over: Partial<CallSeen> = {}): CallSeen {
  const mark = { id: 'c-1', words: 3 };
  const times = { sentMs: 0, endMs: 100 };
  return {
    id: 'c-1',
    mark,
    stream: true,
    ...times,
    ending: 'ok',
    status: 200,
    code: null,
    text: answerOf(mark),
    ends: 1,
    ...{ surplus: 0, garbage: 0, retryAfter: null, reason: null },
    ...over,
  };
}

function found(over: Partial<CallSeen>, terms: Partial<Terms> = {}, ends = 1): string[] {
  return breaches([seen(over)], new Map(ends === 0 ? [] : [['c-1', ends]]), { ...TERMS, ...terms });
}

test('a mark is in its prompt, and in each word of its answer', () => {
  expect(markOf(promptOf({ id: 'c-1', words: 3 }))).toEqual({ id: 'c-1', words: 3 });
  expect(markOf('Hello')).toBeNull();
  expect(answerOf({ id: 'c-1', words: 3 })).toBe('c-1.0 c-1.1 c-1.2 ');
});

describe('the law of calls', () => {
  test('has nothing against what may be', () => {
    expect(found({})).toEqual([]);
    expect(found({ ending: 'broken', code: 'timeout', text: 'c-1.0 ' })).toEqual([]);
    expect(found({ ending: 'refused', status: 503, code: 'server_is_overloaded', retryAfter: '3', text: '', ends: 0 })).toEqual([]);
    expect(found({ ending: 'left', text: 'c-1.0 ', ends: 0 }, {}, 0)).toEqual([]);
  });

  test.each<[string, Partial<CallSeen>, RegExp]>([
    ['an answer that is doubled', { text: answerOf({ id: 'c-1', words: 3 }).repeat(2) }, /given another answer: at 18 "c-1\.0/],
    ['a word that comes twice', { text: 'c-1.0 c-1.1 c-1.1 c-1.2 ' }, /given another answer/],
    ['an answer of somebody else', { text: answerOf({ id: 'c-2', words: 3 }) }, /given another answer/],
    ['a word that is missing', { text: 'c-1.0 c-1.2 ' }, /given another answer/],
    ['a broken stream with a stranger’s word', { ending: 'broken', text: 'c-1.0 c-2.1 ' }, /beginning of another answer/],
    ['an end that is said twice', { ends: 2 }, /told its end 2 times/],
    ['words after the end', { surplus: 1 }, /1 events after its end/],
    ['an event that nobody can read', { garbage: 1 }, /1 events that are no JSON/],
    ['silence', { ending: 'cut', code: 'ECONNRESET' }, /cut without a word \(ECONNRESET\)/],
    ['a call that never ends', { ending: 'late', endMs: 9_000 }, /had not ended after 9000 ms/],
    ['a call that takes too long', { endMs: 1_001 }, /took 1001 ms of 1000/],
    ['what is no answer', { ending: 'nonsense', code: 'a body without an answer' }, /what is no answer/],
    [
      'a status that this fault must not cost',
      { ending: 'refused', status: 500, code: 'internal_error', ends: 0 },
      /answered 500 internal_error/,
    ],
  ])('finds %s', (_what, over, told) => {
    const notes = found(over);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(told);
  });

  test('finds a call that ends twice in the log, or never', () => {
    expect(found({}, {}, 2)).toEqual(['c-1 ends 2 times in the log']);
    expect(found({}, {}, 0)).toEqual(['c-1 never ends in the log']);
    expect(found({}, { killed: MEANWHILE }, 0)).toEqual([]);
    // What had been told a moment before may not have been written yet.
    expect(found({}, { killed: [[900, 950]] }, 0)).toEqual([]);
    expect(found({}, { killed: LATER }, 0)).toEqual(['c-1 never ends in the log']);
    expect(found({}, { killed: MEANWHILE }, 2)).toEqual(['c-1 ends 2 times in the log']);
  });

  test('lets calls of a gateway that was killed be cut, and connections be refused where nobody may listen, but at no other time', () => {
    const cut = { ending: 'cut', status: 200, text: 'c-1.0 ' } as const;
    const refused = { ending: 'cut', status: 0, text: '' } as const;
    expect(found(cut, { killed: MEANWHILE }, 0)).toEqual([]);
    expect(found(cut, { killed: LATER })).toHaveLength(1);
    expect(found(refused, { refusing: MEANWHILE })).toEqual([]);
    expect(found(refused, { refusing: LATER })).toHaveLength(1);
    expect(found({ ...cut, text: '' }, { refusing: MEANWHILE })).toHaveLength(1);
  });

  test('of what was spoilt on the way asks only that it is nobody else’s', () => {
    expect(found({ text: 'c-1.0 \u00ff c-1.2 ' }, { spoilt: MEANWHILE })).toEqual([]);
    expect(found({ text: 'c-1.0 \u00ff c-1.2 ' }, { spoilt: LATER })).toHaveLength(1);
    expect(found({ text: 'c-1.0 c-2.1 ' }, { spoilt: MEANWHILE })).toEqual(['c-1 was given words of c-2']);
    expect(found({ garbage: 2, ending: 'broken' }, { spoilt: MEANWHILE })).toEqual([]);
    expect(found({ ending: 'nonsense', text: '' }, { spoilt: MEANWHILE })).toEqual([]);
  });

  test.each([null, '0', '100', 'Mon, 30 Nov 2026 00:00:00 GMT'])('finds a refusal that says to come back after %s', (retryAfter) => {
    const notes = found({ ending: 'refused', status: 503, code: 'no_worker', text: '', ends: 0, retryAfter });
    expect(notes).toEqual([`c-1 was answered 503 with Retry-After ${retryAfter ?? 'missing'}`]);
  });

  test('takes the answer that it is told to expect', () => {
    expect(found({ text: 'Rivers run.' }, { expected: () => 'Rivers run.' })).toEqual([]);
    expect(found({ text: 'Mills turn.' }, { expected: () => 'Rivers run.' })).toHaveLength(1);
    expect(found({ text: 'whatever' }, { expected: () => null })).toEqual([]);
  });
});

test('whatever is left of calls is a leak', () => {
  expect(leaks(NOTHING_LEFT)).toEqual([]);
  expect(leaks({ ...NOTHING_LEFT, inFlight: 1, sockets: 2 })).toEqual(['leaked: 1 calls in flight', 'leaked: 2 sockets that nobody uses']);
  expect(leaks({ ...NOTHING_LEFT, metricsInFlight: NaN })).toHaveLength(1);
  expect(leakedText({ ...NOTHING_LEFT, queued: 1, openAtWorkers: 3, sockets: 2, files: 1 })).toBe('3/3');
});

test('a tally counts calls by how they ended, and a recovery ends with the last that went wrong', () => {
  const calls = [
    seen(),
    seen({ ending: 'refused', status: 503, code: 'no_worker', sentMs: 200, endMs: 900 }),
    seen({ ending: 'broken', sentMs: 300, endMs: 400 }),
    seen({ ending: 'left', sentMs: 500, endMs: 9_000 }),
    seen({ ending: 'cut', status: 0, sentMs: 100, endMs: 110 }),
  ];
  expect(tallyOf(calls)).toEqual({
    requests: 5,
    ok: 1,
    errors: { '503 no_worker': 1 },
    broken: 1,
    left: 1,
    cut: 1,
    nonsense: 0,
    worstMs: 700,
  });
  expect(recoveryMs(calls, 250)).toBe(50);
  expect(recoveryMs(calls, 350)).toBe(0);
});

describe('an answer, as its client reads it', () => {
  function read(status: number, type: string, asked: boolean, text: string, isWhole = true) {
    const reader = new AnswerReader(status, type, asked);
    // Bytes may be cut anywhere.
    for (const byte of Buffer.from(text)) reader.take(Buffer.from([byte]));
    return reader.end(isWhole);
  }
  const event = (content: string) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`;
  const SSE = 'text/event-stream';

  test('a stream ends with [DONE], with an error event, or in silence', () => {
    expect(read(200, SSE, true, `${event('ä ')}${event('b ')}data: [DONE]\n\n`)).toMatchObject({
      ending: 'ok',
      text: 'ä b ',
      ends: 1,
      surplus: 0,
    });
    const error = 'data: {"error":{"message":"m","type":"t","code":"timeout"}}\n\n';
    expect(read(200, SSE, true, event('a ') + error)).toMatchObject({ ending: 'broken', code: 'timeout', text: 'a ', ends: 1 });
    expect(read(200, SSE, true, event('a '))).toMatchObject({ ending: 'cut', ends: 0 });
    expect(read(200, SSE, true, `${event('a ')}data: [DONE]\n\n`, false)).toMatchObject({ ending: 'cut' });
    expect(read(200, SSE, true, `data: [DONE]\n\n${event('a ')}data: [DONE]\n\n`)).toMatchObject({ ends: 2, surplus: 1 });
    expect(read(200, 'text/html', true, '<html>')).toMatchObject({ ending: 'nonsense' });
    expect(read(200, SSE, true, `data: {"cho\n\ndata: \u0000\n\n${event('a ')}data: [DONE]\n\n`)).toMatchObject({
      ending: 'ok',
      garbage: 2,
    });
  });

  test('a body is an answer, an error with the body of one, or nonsense', () => {
    const body = JSON.stringify({ choices: [{ message: { content: 'a ' } }] });
    expect(read(200, 'application/json', false, body)).toMatchObject({ ending: 'ok', text: 'a ' });
    expect(read(200, 'application/json', false, '{"half')).toMatchObject({ ending: 'nonsense' });
    expect(read(200, 'application/json', false, body, false)).toMatchObject({ ending: 'cut' });
    expect(read(503, 'application/json', true, '{"error":{"message":"m","type":"t","code":"c"}}')).toMatchObject({
      ending: 'refused',
      code: 'c',
    });
    expect(read(503, 'text/plain', true, 'busy')).toMatchObject({ ending: 'nonsense' });
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FrameBatch } from '../../../gateway/core/transport.ts';
import { type CutEvent, EventCutter, MAX_EVENT_BYTES } from '../../../gateway/openai/event-cutter.ts';
import { lookAt, readEvent, type EventKind } from '../../../gateway/openai/stream-watch.ts';
import { event } from '../../support/fake-vllm.ts';
import { batchOf, cuts, payloadOf, places } from './frames.ts';

const texts = (events: readonly CutEvent[]) => events.map(({ bytes }) => bytes.toString());

describe('the cutter', () => {
  test('gives whole events, one by one, however they lie in chunks', () => {
    const cutter = new EventCutter();
    expect(texts(cutter.cut(batchOf([Buffer.from('a\n\nb\n'), Buffer.from('\nc'), Buffer.from('\n\nd')])))).toEqual([
      'a\n\n',
      'b\n\n',
      'c\n\n',
    ]);
    expect(cutter.empty).toBe(false);
    expect(texts(cutter.cut(batchOf([Buffer.from('\n\n')])))).toEqual(['d\n\n']);
    expect(cutter.empty).toBe(true);
    expect(cutter.cut(batchOf([]))).toEqual([]);
  });

  test('loses and adds nothing, for any text in any pieces', () => {
    const text = fc
      .array(fc.constantFrom('\n', '\n\n', 'a', 'data: x', '\r\n', '\r', 'é', ''), { maxLength: 40 })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, places, (whole, at) => {
        const cutter = new EventCutter();
        let got = '';
        for (const piece of cuts(Buffer.from(whole), at)) {
          for (const { bytes: each, part } of cutter.cut(batchOf([piece]))) {
            expect(part).toBe('whole');
            expect(each.toString('latin1')).toMatch(/(?:\r\n|\r|\n)(?:\r\n|\r|\n)$/);
            got += each.toString('latin1');
          }
        }
        const rest = Buffer.from(whole).toString('latin1').slice(got.length);
        expect(Buffer.from(whole).toString('latin1').startsWith(got)).toBe(true);
        // What is held is no whole event, except for a line end that may yet be the first half of one.
        const left = got.endsWith('\r') ? rest.replace(/^\n/, '') : rest;
        expect(left.replaceAll(/\r\n?/g, '\n')).not.toContain('\n\n');
        expect(cutter.empty).toBe(rest === '');
      }),
      { numRuns: 1_000 },
    );
  });

  test.each([
    ['CRLF', 'data: a\r\n\r\ndata: b\r\n\r\n'],
    ['CR', 'data: a\r\rdata: b\r\r'],
    ['both and LF, mixed', 'data: a\r\n\ndata: b\n\r'],
  ])('reads lines that end by %s, in any pieces', (_name, whole) => {
    for (let size = 1; size <= whole.length; size++) {
      const cutter = new EventCutter();
      const events: Buffer[] = [];
      for (let at = 0; at < whole.length; at += size)
        events.push(...cutter.cut(batchOf([Buffer.from(whole.slice(at, at + size))])).map(({ bytes }) => bytes));
      expect(events.map((each) => /data: ./.exec(String(each))?.[0])).toEqual(['data: a', 'data: b']);
      expect(whole.startsWith(events.join(''))).toBe(true);
    }
  });

  test.each([
    ['the pieces in which it comes', 65_536, ['whole', 'begin', 'end', 'whole']],
    ['two', MAX_EVENT_BYTES + 100_000, ['whole', 'begin', 'end', 'whole']],
    ['one, where it came at once', 2 * MAX_EVENT_BYTES, ['whole', 'whole', 'whole']],
  ])('hands an event on that is longer than it holds, in %s, and cuts on behind it', (_name, size, expected) => {
    const long = Buffer.alloc(MAX_EVENT_BYTES + 200_000, 'x');
    const whole = Buffer.concat([Buffer.from('a\n\n'), long, Buffer.from('\n\nb\n\n')]);
    const cutter = new EventCutter();
    const events: CutEvent[] = [];
    for (let at = 0; at < whole.length; at += size) events.push(...cutter.cut(batchOf([whole.subarray(at, at + size)])));
    expect(Buffer.concat(events.map(({ bytes }) => bytes)).equals(whole)).toBe(true);
    const parts = events.map(({ part }) => part);
    expect(parts.filter((part) => part !== 'middle')).toEqual(expected);
    expect(events.at(-1)!.bytes.toString()).toBe('b\n\n');
    expect(cutter.empty).toBe(true);
  });
});

/** What the relay does with a stream, without clocks and sockets: read on while all is plain, cut where it is not. */
function passOn(batches: readonly FrameBatch[]): { passed: Buffer; end: EventKind | null } {
  const passed: Buffer[] = [];
  let cutter: EventCutter | null = null;
  for (const batch of batches) {
    if (cutter === null && lookAt(batch, true) === 'plain') {
      passed.push(payloadOf(batch));
      continue;
    }
    cutter ??= new EventCutter();
    for (const { bytes: each } of cutter.cut(batch)) {
      const seen = readEvent(each.toString(), true);
      if (seen.kind === 'error' || seen.kind === 'aborted') return { passed: Buffer.concat(passed), end: seen };
      passed.push(each);
      if (seen.kind === 'done') return { passed: Buffer.concat(passed), end: seen };
    }
    if (cutter.empty) cutter = null;
  }
  return { passed: Buffer.concat(passed), end: null };
}

describe('watched and cut where needed, a stream reaches the client as the worker wrote it', () => {
  const DONE = 'data: [DONE]\n\n';
  const content = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 30 }),
    // Text that looks like what is watched for.
    fc.constantFrom(
      'data: [DONE]\n\n',
      '"finish_reason":"abort"',
      '{"error": {"message": "x"}}',
      '\n\ndata: {"error"',
      'event: error\n',
      '[DONE]',
    ),
  );
  const textEvent = fc.oneof(
    { arbitrary: content.map((text) => event(text)), weight: 6 },
    {
      arbitrary: content.map(
        (text) => `event: content_block_delta\ndata: ${JSON.stringify({ type: 'content_block_delta', delta: { text } })}\n\n`,
      ),
      weight: 1,
    },
    { arbitrary: fc.constant(': ping\n\n'), weight: 1 },
    {
      arbitrary: fc.constant(`data: ${JSON.stringify({ id: 'x', choices: [], usage: { prompt_tokens: 3, completion_tokens: 2 } })}\n\n`),
      weight: 1,
    },
  );
  const ends = fc.constantFrom<[string, string, EventKind['kind'] | null]>(
    [DONE, DONE, 'done'],
    [event('x', 'stop') + DONE, event('x', 'stop') + DONE, 'done'],
    ['', '', null],
    [`data: {"error": {"message": "boom", "code": 500}}\n\n${DONE}`, '', 'error'],
    [`data: {"error":{"message":"boom"}}\n\n${DONE}`, '', 'error'],
    ['event: error\ndata: {"type":"error","error":{"type":"api_error","message":"boom"}}\n\n', '', 'error'],
    [event('x', 'abort') + DONE, '', 'aborted'],
  );

  test('for any events, in chunks and reads of any size', () => {
    fc.assert(
      fc.property(fc.array(textEvent, { maxLength: 12 }), ends, places, places, (events, [sent, arrives, end], chunkPlaces, readPlaces) => {
        const before = events.join('');
        const chunks = cuts(Buffer.from(before + sent), chunkPlaces);
        // A read holds any number of whole chunks.
        const reads = [...new Set([0, ...readPlaces.map((place) => Math.floor(place * chunks.length)), chunks.length])].toSorted(
          (a, b) => a - b,
        );
        const batches = reads.slice(1).map((to, index) => batchOf(chunks.slice(reads[index], to)));
        const result = passOn(batches);
        expect(result.passed.toString()).toBe(before + arrives);
        expect(result.end?.kind ?? null).toBe(end);
      }),
      { numRuns: 3_000 },
    );
  });

  test('and so for one event a chunk, as vLLM writes them, and for all of them in one', () => {
    fc.assert(
      fc.property(fc.array(textEvent, { minLength: 1, maxLength: 12 }), ends, (events, [sent, arrives, end]) => {
        const last = sent.split(/(?<=\n\n)/).filter((each) => each !== '');
        const chunks = [...events, ...last].map((each) => Buffer.from(each));
        for (const batches of [chunks.map((each) => batchOf([each])), [batchOf(chunks)], [batchOf([Buffer.concat(chunks)])]]) {
          const result = passOn(batches);
          expect(result.passed.toString()).toBe(events.join('') + arrives);
          expect(result.end?.kind ?? null).toBe(end);
        }
      }),
    );
  });
});

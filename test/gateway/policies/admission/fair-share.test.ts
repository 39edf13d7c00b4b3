import { expect, test } from 'vitest';
import { aheadOf, displacedBy } from '../../../../gateway/policies/admission/fair-share.ts';
import type { Waiting } from '../../../../gateway/policies/admission/waiting.ts';

/** A line of calls, by flow; a capital is one of the higher class. */
function lineOf(flows: string, more: Partial<Waiting> = {}): Waiting[] {
  return [...flows].map((flow) => ({
    ...{ leaving: new AbortController(), flow: flow.toLowerCase(), isLater: flow === flow.toLowerCase(), again: false },
    ...{ untilMs: 0, judgedUntilMs: 0, known: null, question: null, ...more },
  }));
}

test.each([
  ['', 'a', 0],
  ['AAAA', 'a', 4],
  ['AAAA', 'b', 1],
  ['AAAAB', 'b', 3],
  ['AAAABCC', 'c', 6],
  ['AAAABCC', 'd', 3],
])('in %j there are so many before the next of %s: %d', (line, flow, ahead) => expect(aheadOf(flow, lineOf(line))).toBe(ahead));

test.each([
  ['AAAA', 'b', false, 3],
  ['AAAA', 'a', false, null],
  ['AAB', 'b', false, null],
  ['AAAB', 'b', false, 2],
  ['AABBB', 'c', false, 4],
  // The lower class sends nobody of the higher away, and goes first itself.
  ['AAAA', 'b', true, null],
  ['aaaa', 'b', false, 3],
  ['aaaa', 'b', true, 3],
])('from %j one of %s (later: %s) sends away the one at %s', (flows, flow, isLater, at) => {
  const line = lineOf(flows);
  const found = displacedBy({ flow, isLater }, line);
  expect(found === null ? null : line.indexOf(found)).toBe(at);
});

test('who had a place already stays, and so does who is on his way out', () => {
  expect(displacedBy({ flow: 'b', isLater: false }, lineOf('AAAA', { again: true }))).toBeNull();
  const line = lineOf('AAAA');
  line[3]!.leaving.abort();
  expect(displacedBy({ flow: 'b', isLater: false }, line)).toBe(line[2]);
});

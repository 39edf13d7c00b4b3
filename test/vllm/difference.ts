import type { View } from './view.ts';

/** One thing in which an answer is not the one that was expected. */
export interface Difference {
  /** What kind of thing, the same for every case that has it: the table groups by it. */
  readonly group: string;
  /** The two values, in short. */
  readonly expected: string;
  readonly actual: string;
}

/** Everything in which two answers differ; where the status does, the rest is not looked at. */
export function differences(expected: View, actual: View): Difference[] {
  if (expected.status !== actual.status) {
    const group = `status ${expected.status}, not ${actual.status}`;
    return [{ group, expected: `${expected.status} ${short(expected.body)}`, actual: `${actual.status} ${short(actual.body)}` }];
  }
  return [...headDifferences(expected, actual), ...endingDifferences(expected, actual), ...bodyDifferences(expected, actual)];
}

function headDifferences(expected: View, actual: View): Difference[] {
  if (JSON.stringify(expected.head) === JSON.stringify(actual.head)) return [];
  const missing = expected.head.filter((line) => !actual.head.includes(line));
  const more = actual.head.filter((line) => !expected.head.includes(line));
  const what =
    missing.length + more.length === 0 ? 'order' : [...missing.map((line) => `-${line}`), ...more.map((line) => `+${line}`)].join(' ');
  return [{ group: `head: ${what}`, expected: expected.head.join(', '), actual: actual.head.join(', ') }];
}

function endingDifferences({ ending: expected }: View, { ending: actual }: View): Difference[] {
  return expected === actual ? [] : [{ group: `ending ${expected}, not ${actual}`, expected, actual }];
}

function bodyDifferences(expected: View, actual: View): Difference[] {
  if ('events' in expected.body && 'events' in actual.body) return eventDifferences(expected.body.events, actual.body.events);
  return valueDifferences('', expected.body, actual.body);
}

/** The first event that is another one; what follows it follows from it. */
function eventDifferences(expected: readonly unknown[], actual: readonly unknown[]): Difference[] {
  const at = expected.findIndex((event, index) => JSON.stringify(event) !== JSON.stringify(actual[index]));
  if (at < 0 && expected.length === actual.length) return [];
  const [wanted, got] = at < 0 ? [undefined, actual[expected.length]] : [expected[at], actual[at]];
  const [one, other] = [kindOf(wanted), kindOf(got)];
  if (one !== other) return [{ group: `stream: ${one}, not ${other}`, expected: short(wanted), actual: short(got) }];
  return valueDifferences(`${one} `, wanted, got);
}

/** What an event is for, so that events of different streams fall into one group. */
function kindOf(event: unknown): string {
  if (event === undefined) return 'end';
  if (typeof event === 'string') return event.replace(/^data: /, '');
  if (Array.isArray(event)) return typeof event[0] === 'string' ? event[0].replace('event: ', '') : 'event';
  if (typeof event !== 'object' || event === null) return 'event';
  if ('error' in event) return 'error';
  return 'chunk';
}

function valueDifferences(path: string, expected: unknown, actual: unknown): Difference[] {
  if (JSON.stringify(expected) === JSON.stringify(actual)) return [];
  const differ = (group: string): Difference[] => [{ group, expected: short(expected), actual: short(actual) }];
  if (Array.isArray(expected) && Array.isArray(actual)) {
    if (expected.length !== actual.length) return differ(`${path}[]: another number of items`);
    return expected.flatMap((item, at) => valueDifferences(`${path}[]`, item, actual[at]));
  }
  if (!isObject(expected) || !isObject(actual))
    return differ(`${path}${path.endsWith('message') || path.endsWith('text') ? ': another text' : ''}`);
  const names = Object.keys(expected);
  const others = Object.keys(actual);
  const missing = names.filter((name) => !(name in actual)).map((name) => `-${name}`);
  const more = others.filter((name) => !(name in expected)).map((name) => `+${name}`);
  if (missing.length + more.length > 0) return differ(`${path}{}: ${[...missing, ...more].join(' ')}`);
  if (names.join() !== others.join()) return differ(`${path}{}: order of the keys`);
  return names.flatMap((name) => valueDifferences(path === '' ? name : `${path}.${name}`, expected[name], actual[name]));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function short(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing');
  return text.length > 600 ? `${text.slice(0, 600)}…` : text;
}

import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isKnownEvent, shownJsonLine, shownLine } from '../../../gateway/bundle/log-lines.ts';
import { isKnownLabel } from '../../../gateway/bundle/metrics-part.ts';
import { METRICS } from '../../../gateway/telemetry/metrics/table.ts';
import { veilOver } from './veil-over.ts';

test('every event that the sources name is known', () => {
  const named = globSync('{gateway,supervisor}/**/*.ts').flatMap((path) => {
    const text = readFileSync(path, 'utf8');
    return [
      ...text.matchAll(
        /\b(?:log|ofAll|history|told|plain|kept\?\.history)\??\.(?:debug|info|warn|error|announce|add|write)\(\s*(?:'\w+',\s*)?'([a-z_]+(?:\.[a-z_]+)*)'/g,
      ),
      // Of the log itself, and of whatever has taken a function out of it.
      ...text.matchAll(/\bwrite\(\s*'(?:debug|info|warn|error)',\s*'([a-z_]+(?:\.[a-z_]+)*)'/g),
      ...text.matchAll(/\bjsonLine\([^,]*,[^,]*,\s*'([a-z_]+(?:\.[a-z_]+)*)'/g),
    ].map(([, event]) => event!);
  });
  expect(named).toEqual(expect.arrayContaining(['log.unkept', 'log.lost']));
  expect(named.length).toBeGreaterThan(60);
  const levels = new Set(['debug', 'info', 'warn', 'error']);
  expect([...new Set(named)].filter((event) => !isKnownEvent(event) && !levels.has(event))).toEqual([]);
});

test('every label of a metric is known', () => {
  const labels = new Set(Object.values(METRICS).flatMap((row) => row.labels as readonly string[]));
  expect([...labels].filter((label) => !isKnownLabel(label))).toEqual([]);
});

test('a line keeps fields that are named, without names of keys and what clients wrote', async () => {
  const veil = await veilOver([{ kind: 'key', text: 'acme' }]);
  const line = {
    level: 'warn',
    time: '2026-01-02T03:04:05.678Z',
    event: 'request.end',
    request_id: 'a'.repeat(32),
    path: '/v1/what-a-client-wrote',
    key: 'acme',
    worker: '10.1.2.3:8000',
    status: 200,
    body: 'a prompt',
    msg: 'acme was served by 10.1.2.3:8000',
  };
  expect(shownLine(line, veil)).toEqual({
    level: 'warn',
    time: '2026-01-02T03:04:05.678Z',
    event: 'request.end',
    request_id: 'a'.repeat(32),
    key: '<key #1, 4 characters>',
    worker: '<worker #1, 13 characters>',
    status: 200,
    msg: '<key #1, 4 characters> was served by <address #1, 13 characters>',
  });
});

test.each([
  ['no JSON', 'plain text'],
  ['no object', '[1]'],
  ['an event that nobody knows', '{"event":"prompt","msg":"hello"}'],
  ['no event', '{"msg":"hello"}'],
  ['null', 'null'],
])('%s is no line', async (_, line) => expect(shownJsonLine(line, await veilOver([]))).toBeNull());

test('an id that a client chose is not shown, and a sentence about keys that are gone is not told', async () => {
  const veil = await veilOver([]);
  expect(shownLine({ event: 'request.end', request_id: 'bob@example.com' }, veil)).toMatchObject({ request_id: '<id #1, 15 characters>' });
  expect(shownLine({ event: 'keys.changed', msg: 'old-tenant is gone' }, veil)).toEqual({ event: 'keys.changed' });
  expect(shownLine({ event: 'config.trial', owner: 'bob-smith', msg: 'bob-smith tries settings for 9 s.' }, veil)).toEqual({
    event: 'config.trial',
    owner: '<name #1, 9 characters>',
  });
});

import { describe, expect, test } from 'vitest';
import { NORMALIZERS, type Normalizer, normalizer } from '../../../gateway/openai/normalize.ts';

describe.each<[Normalizer, [string, string][], [string, string][]]>([
  [
    'whitespace',
    [
      ['a  b\n\tc ', 'a b c'],
      ['\r\na', 'a'],
    ],
    [['ab', 'a b']],
  ],
  [
    'timestamps',
    [
      ['at 2026-11-29T14:55:10.123Z.', 'at 2025-01-02T03:04:05Z.'],
      ['2026-11-29', '2026-11-30'],
      ['2026-11-29 14:55', '2026-11-30 09:01:02+01:00'],
      ['Sun, 29 Nov 2026 14:55:10 GMT', 'Mon, 1 December 2025 1:00:00 UTC'],
      ['November 29, 2026', 'Dec 1 2025'],
      ['it is 3:04 PM', 'it is 11:59 am'],
      ['29/11/2026', '1.12.2025'],
      ['since 1764428110', 'since 1764428110123'],
    ],
    [
      ['chapter 3', 'chapter 4'],
      ['2 : 1', '3 : 1'],
      ['12345', '12346'],
    ],
  ],
  ['uuids', [['550e8400-e29b-41d4-a716-446655440000', '6BA7B810-9DAD-11D1-80B4-00C04FD430C8']], [['550e8400', '6ba7b810']]],
  [
    'numbers_in_ids',
    [
      ['req_123abc', 'req_9abc'],
      ['node-17 is up', 'node-4 is up'],
      ['8c1f00a9', '8c1f77a9'],
    ],
    [
      ['17 nodes', '4 nodes'],
      ['h2o', 'h3o'],
      ['utf8', 'utf16'],
      ['req_a', 'req_b'],
    ],
  ],
  [
    'paths',
    [
      ['in /home/ada/x.ts:', 'in /srv/app/main.py:'],
      ['./a/b', '../c/d/e'],
      [String.raw`C:\Users\ada`, String.raw`D:\work\x`],
    ],
    [
      ['https://a.example/b/c', 'https://d.example/b/c'],
      ['and/or', 'either/or'],
    ],
  ],
  [
    'ip_addresses',
    [
      ['from 10.0.0.1:8080', 'from 192.168.1.254'],
      ['fe80::1', '2001:db8:0:0:0:0:0:1'],
    ],
    [
      ['std::vector', 'std::map'],
      ['1.2.3', '1.2.4'],
      ['12:30:45', '12:30:46'],
    ],
  ],
])('%s', (name, same, different) => {
  const of = normalizer([name]);
  test.each(same)('%j and %j are the same', (one, other) => expect(of(one)).toBe(of(other)));
  test.each(different)('%j and %j are not', (one, other) => expect(of(one)).not.toBe(of(other)));
});

test('nothing is changed that was not asked for', () => {
  const text = 'a  b 2026-11-29 req_1 /a/b/c 10.0.0.1';
  expect(normalizer([])(text)).toBe(text);
});

test('all of them together leave the words', () => {
  const text = 'At 2026-11-29T14:55:10Z job 550e8400-e29b-41d4-a716-446655440000 of node-3 (10.0.0.1:80)\n  failed in /var/log/x.log';
  expect(normalizer(NORMALIZERS)(text)).toBe('At <time> job <uuid> of node-# (<ip>) failed in <path>');
});

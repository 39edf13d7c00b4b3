import { expect, test } from 'vitest';
import { leaseAsked } from '../../../supervisor/control/lease-query.ts';

const PLAIN = { gpu: null, id: 'x', holder: 'somebody', isNamed: false, minutes: 5, graceSeconds: 0, lapseSeconds: null };

test.each([
  ['id=x&minutes=5', PLAIN],
  ['id=x&minutes=5&holder=bash', { ...PLAIN, holder: 'bash' }],
  ['id=x&minutes=5&holder=render&named=true', { ...PLAIN, holder: 'render', isNamed: true }],
  // Nobody is named who has no name.
  ['id=x&minutes=5&named=true', PLAIN],
  ['id=x&gpu=0&minutes=5.25&grace=15&lapse=30', { ...PLAIN, gpu: '0', minutes: 5.25, graceSeconds: 15, lapseSeconds: 30 }],
  ['id=x', { ...PLAIN, minutes: null }],
  ['minutes=5', null],
  ['id=x&minutes=1442', null],
  ['id=x&minutes=5&grace=61', null],
])('%s', (query, asked) => {
  expect(leaseAsked(new URLSearchParams(query))).toEqual(asked);
});

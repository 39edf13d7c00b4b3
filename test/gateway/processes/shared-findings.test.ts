import { expect, test } from 'vitest';
import { SharedFindings } from '../../../gateway/processes/shared-findings.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

const open = { state: 'open', leftMs: 1_000, level: 1 } as const;
const trial = { state: 'half_open', leftMs: 0, level: 1 } as const;

test('a process that comes later takes over what is open still, for as long as is left of it, and each tries a little after the other', async () => {
  const clock = createFakeClock();
  const findings = new SharedFindings(clock);
  findings.note(1, 'w0', open);
  findings.note(1, 'w1', open);
  await clock.advance(400);
  findings.note(2, 'w1', { state: 'closed', leftMs: 0, level: 0 });
  expect(findings.of(0)).toEqual([['w0', { ...open, leftMs: 650 }]]);
  expect(findings.of(2)).toEqual([['w0', { ...open, leftMs: 750 }]]);
  await clock.advance(5_000);
  expect(findings.of(0)).toEqual([['w0', { ...open, leftMs: 50 }]]);
});

test('a worker that a process was about to try when it died may be tried by others', () => {
  const findings = new SharedFindings(createFakeClock());
  findings.note(1, 'w0', trial);
  findings.note(1, 'w1', open);
  findings.note(2, 'w2', trial);
  expect(findings.leftBy(1)).toEqual([['w0', { ...trial, state: 'open' }]]);
});

test('a process that comes while another tries a worker leaves it alone for a moment', () => {
  const findings = new SharedFindings(createFakeClock());
  findings.note(1, 'w0', trial);
  expect(findings.of(0)).toEqual([['w0', { ...trial, state: 'open', leftMs: 1_050 }]]);
});

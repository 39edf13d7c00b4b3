import { expect, test } from 'vitest';
import { statusText } from '../../../scripts/commands/status-text.ts';

const STATUS = { version: '1.0.0', supervised: true, engine: null, profile: null, gpus: [], workers: [], swaps: [], models: [] };
const STATS = { breakers: {}, queue: { in_flight: 0, depth: { interactive: 0, batch: 0 } }, batcher: { pending_requests: 0 } };

test('says that its supervisor does not answer, for how long and why, and what that means for the rest', () => {
  const supervisor = { pid: 7, answers: false, away_seconds: 130, reason: 'nothing was heard for 15 s' };
  expect(statusText({ ...STATUS, supervisor }, STATS)).toContain(
    'the supervisor (process 7) has not answered for 2 min: nothing was heard for 15 s\n  what follows is what it said last;',
  );
  for (const there of [null, { pid: 7, answers: true, away_seconds: null, reason: null }])
    expect(statusText({ ...STATUS, supervisor: there }, STATS)).not.toContain('answered');
});

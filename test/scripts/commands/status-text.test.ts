import { expect, test } from 'vitest';
import type { AdminStatus, Stats, SupervisorStatus } from '../../../gateway/http/pages/admin-answers.ts';
import { statusText } from '../../../scripts/commands/live/status-text.ts';

const STATUS: Omit<AdminStatus, 'supervisor'> = {
  version: '1.0.0',
  gateway: { pid: 21 },
  supervised: true,
  engine: null,
  profile: null,
  tuning: null,
  gpus: [],
  workers: [],
  swaps: [],
  leases: [],
  models: [],
};
const STATS: Pick<Stats, 'batcher' | 'breakers' | 'queue'> = {
  breakers: {},
  queue: { in_flight: 0, depth: { interactive: 0, batch: 0 } },
  batcher: { total_requests: 0, total_batches: 0, average_batch_size: 0, pending_requests: 0, window_ms: {} },
};

test('names the processes, which is where signals go', () => {
  const supervisor: SupervisorStatus = { pid: 7, answers: true, away_seconds: null, reason: null };
  expect(statusText({ ...STATUS, supervisor }, STATS)).toContain('\ngateway process 21 · supervisor process 7\n');
  expect(statusText({ ...STATUS, supervisor: null }, STATS)).toContain('\ngateway process 21\n');
  const ending = { ...STATUS, supervisor, gateway: { pid: 21, draining: true } };
  expect(statusText(ending, STATS)).toContain('\nthe gateway is ending: ');
  expect(statusText({ ...STATUS, supervisor }, STATS)).not.toContain('ending');
  const several = { ...STATUS, supervisor, gateway: { pid: 21, processes: [22, 23] } };
  expect(statusText(several, STATS)).toContain('\ngateway process 21 (keeps 22, 23, which serve) · supervisor process 7\n');
});

test('says that its supervisor does not answer, for how long and why, and what that means for the rest', () => {
  const supervisor: SupervisorStatus = { pid: 7, answers: false, away_seconds: 130, reason: 'nothing was heard for 15 s' };
  expect(statusText({ ...STATUS, supervisor }, STATS)).toContain(
    'the supervisor (process 7) has not answered for 2 min: nothing was heard for 15 s\n  what follows is what it said last;',
  );
  const well: SupervisorStatus = { pid: 7, answers: true, away_seconds: null, reason: null };
  for (const there of [null, well]) expect(statusText({ ...STATUS, supervisor: there }, STATS)).not.toContain('answered');
});

test('says what is behind a name, and what answers where that cannot', () => {
  const one = {
    aliases: [],
    max_model_len: null,
    profile: null,
    capabilities: [],
    eta_seconds: null,
    reason: null,
    asleep: false,
    fit: null,
  };
  const models = [
    { ...one, id: 'chat', state: 'ready', pool: ['a', 'b'], fallback: ['x', 'y'] },
    { ...one, id: 'a', state: 'ready', pool: null, fallback: [] },
    { ...one, id: 'b', state: 'loading', pool: null, fallback: ['x'] },
  ] as const;
  const text = statusText({ ...STATUS, supervisor: null, models }, STATS);
  expect(text).toContain(
    '\nmodels: chat ready · a ready · b loading\nchat is a pool of a, b and falls back to x, then y\nb falls back to x\n',
  );
});

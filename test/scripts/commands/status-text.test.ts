import { expect, test } from 'vitest';
import type { WorkerFailure } from '../../../gateway/core/worker.ts';
import type { AdminStatus, Stats, SupervisorStatus, WorkerStatus } from '../../../gateway/http/pages/admin-answers.ts';
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
const WORKER: WorkerStatus = {
  ...{ id: 'a:1', model: 'm', gpus: null, profile: null, state: 'ready', stage: null, pid: null, port: 1, url: 'http://a:1', source: null },
  ...{ engine: null, engine_version: null, uptime_seconds: null, restarts: 0, percent: null, eta_seconds: null, engine_args: [] },
  ...{
    degradation: [],
    last_failure: null,
    log_file: null,
    in_flight: 0,
    requests_running: 0,
    requests_waiting: 0,
    kv_cache_usage_ratio: 0,
  },
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
    { ...one, id: 'b', state: 'loading', pool: null, fallback: ['x'], unserved: [{ name: 'x', in: 'fallback', near: null }] },
  ] as const;
  const text = statusText({ ...STATUS, supervisor: null, models }, STATS);
  expect(text).toContain(
    '\nmodels: chat ready · a ready · b loading\nchat is a pool of a, b and falls back to x, then y\nb falls back to x\nb: its fallback names x, which no worker serves\n',
  );
});

test('says that the store is away, and what holds until it is back', () => {
  const alone = { ...STATUS, supervisor: null };
  const store = { answers: false, when_unavailable: 'deny' } as const;
  const text = statusText({ ...alone, gateway: { pid: 21, sharing: 3 }, store }, STATS);
  expect(text).toContain('3 gateways share the workers, as far as is known; ');
  expect(text).toContain(
    "\nthe store of state.url is away: its gateways do not hear of each other, and the log says why\n  until it is back each gateway goes by what the workers' own metrics say; whoever has limits is refused (state.when_unavailable: deny)\n",
  );
  expect(statusText({ ...alone, store }, STATS)).toContain('\n  until it is back whoever has limits is refused ');
  for (const none of [null, undefined, { ...store, answers: true }])
    expect(statusText({ ...alone, gateway: { pid: 21, sharing: 3 }, ...(none !== undefined && { store: none }) }, STATS)).not.toMatch(
      /store|as far as/,
    );
});

test('a failure of a server that is ready again is past, and asks nothing of anybody', () => {
  const at = '2026-01-01T11:42:33.000Z';
  const failure = {
    class: 'unreachable',
    phase: 'serving',
    message: 'http://a:1 refuses connections.',
    advice: 'Check that it runs.',
    at,
  } as const;
  const worker = (state: WorkerStatus['state'], last_failure: WorkerFailure) => ({ ...WORKER, state, last_failure });
  const text = (one: WorkerStatus, supervised = false) => statusText({ ...STATUS, supervised, supervisor: null, workers: [one] }, STATS);
  expect(text(worker('starting', failure))).toContain(
    `\na:1 last failed at ${at} (unreachable, serving): http://a:1 refuses connections.\n  Check that it runs.\n`,
  );
  const past = text(worker('ready', failure));
  expect(past).toContain(`\na:1 is ready again; it last failed at ${at} (unreachable, serving): http://a:1 refuses connections.\n`);
  expect(past).not.toContain('Check');
  // What has befallen an engine of ours may befall it again, and a line that is wrong stays wrong.
  expect(text(worker('ready', failure), true)).toContain('is ready again; it last failed');
  expect(text(worker('ready', failure), true)).toContain('Check');
  expect(text(worker('ready', { ...failure, class: 'wrong_models' }))).toMatch(/is listed amiss, as found at .*\n {2}Check/);
});

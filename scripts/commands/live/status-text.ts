import { columns } from '../../../gateway/core/log/columns.ts';
import { unservedText } from '../../../gateway/core/pools/unserved.ts';
import { MEANWHILE } from './store-words.ts';
import type { WorkerFailure } from '../../../gateway/core/worker.ts';
import type { AdminStatus, Stats, WorkerStatus } from '../../../gateway/http/pages/admin-answers.ts';
import { behindText } from './behind-text.ts';
import { leaseOf, leaseText } from './lease-text.ts';
import { stateText, swapText } from './progress-text.ts';
import { sourceText } from './sources-text.ts';

/** The answers of /admin/status and /stats as lines for a terminal. */
export function statusText(status: AdminStatus, stats: Pick<Stats, 'batcher' | 'breakers' | 'queue'>): string {
  const lines: string[] = [];
  lines.push(`Headgate ${status.version} · ${engineText(status)}`);
  const supervisor = status.supervisor === null ? '' : ` · supervisor process ${status.supervisor.pid}`;
  const { pid, processes = [], draining = false } = status.gateway;
  const serving = processes.length > 0 ? ` (keeps ${processes.join(', ')}, which serve)` : '';
  lines.push(`gateway process ${pid}${serving}${supervisor}`);
  if (draining)
    lines.push(
      `the gateway is ending: it takes no new calls, and is gone when the ${stats.queue.in_flight} in flight have ended or drain.grace_ms is over`,
    );
  const { sharing = 1 } = status.gateway;
  const isStoreAway = status.store?.answers === false;
  if (sharing > 1)
    lines.push(
      `${sharing} gateways share the workers${isStoreAway ? ', as far as is known' : ''}; IN FLIGHT is this one’s, of the places that it has now`,
    );
  if (isStoreAway) lines.push(...storeText(status));
  if (status.profile !== null) lines.push(`profile ${profilesText(status)} · tuning ${status.tuning}`);
  const isKnown = status.workers.some(({ gpus }) => gpus !== null);
  for (const gpu of status.gpus) {
    const isIdle = isKnown && status.workers.every(({ gpus }) => !gpus?.includes(gpu.index));
    const memory = `${gib(gpu.memory_used_bytes)} of ${gib(gpu.memory_total_bytes)} GiB used`;
    lines.push(`GPU ${gpu.index} ${gpu.name}${gpu.simulated ? ' (simulated)' : ''}: ${memory}${isIdle ? ', by no worker of ours' : ''}`);
    const lease = status.leases.find(({ uuid }) => uuid === gpu.uuid);
    if (lease) lines.push(`  ${leaseText(lease)}${lease.message === '' ? '' : `: ${lease.message}`}`);
  }
  if (status.supervisor?.answers === false)
    lines.push(
      `the supervisor (process ${status.supervisor.pid}) has not answered for ${duration(status.supervisor.away_seconds)}: ${status.supervisor.reason}`,
      '  what follows is what it said last; nothing is started, changed or watched over meanwhile',
    );
  lines.push('');
  const isOurs = status.supervised;
  const rows = [['WORKER', 'MODEL', isOurs ? 'GPU' : 'ENGINE', 'STATE', 'UPTIME', 'RESTARTS', 'IN FLIGHT', 'WAITING', 'KV', 'BREAKER']];
  for (const worker of status.workers) {
    rows.push([
      worker.id,
      worker.model ?? '-',
      isOurs ? gpusText(worker) : ownEngineText(worker),
      stateText(worker, leaseOf(status, worker.id)),
      worker.uptime_seconds === null ? '-' : duration(worker.uptime_seconds),
      String(worker.restarts),
      sharing > 1 && worker.places !== undefined ? `${worker.in_flight} of ${worker.places}` : String(worker.in_flight),
      String(worker.requests_waiting),
      `${Math.round(worker.kv_cache_usage_ratio * 100)} %`,
      stats.breakers[worker.id]?.state ?? 'closed',
    ]);
  }
  lines.push(...columns(rows));
  const sources = status.sources ?? [];
  if (sources.length > 0) lines.push('', ...sources.map(sourceText));
  if (status.swaps.length > 0) lines.push('', ...status.swaps.map(swapText));
  if (status.models.length > 1) {
    const states = status.models.map((model) => `${model.id} ${model.asleep && model.state === 'available' ? 'asleep' : model.state}`);
    lines.push('', `models: ${states.join(' · ')}`);
  }
  lines.push(...status.models.flatMap(behindText));
  lines.push(...status.models.flatMap(({ id, unserved = [] }) => unserved.map((each) => unservedText(id, each))));
  for (const { id, state } of status.workers) {
    if (state === 'drained') lines.push('', `${id} is out of service: "headgate undrain ${id}" brings it back`);
  }
  for (const worker of status.workers) {
    for (const change of worker.degradation)
      lines.push(
        '',
        `${worker.id} ${worker.state === 'ready' ? 'runs' : 'starts'} with ${change.setting} ${change.to} instead of ${change.from}: ${change.reason}`,
      );
    if (worker.last_failure !== null) lines.push('', ...failureText(worker, worker.last_failure, isOurs));
  }
  const logged = status.workers.filter(({ log_file }) => log_file !== null);
  if (logged.length > 0) lines.push('', ...logged.map(({ id, log_file }) => `${id} logs to ${log_file}`));
  const { queue, batcher } = stats;
  lines.push(
    '',
    `in flight ${queue.in_flight} · waiting ${queue.depth.interactive} interactive, ${queue.depth.batch} batch · window holds ${batcher.pending_requests}`,
  );
  return `${lines.join('\n')}\n`;
}

/** What to do about a server of somebody else's that is well again is no news: the failure is past. */
function failureText({ id, state }: WorkerStatus, failure: WorkerFailure, isOurs: boolean): string[] {
  const isAmiss = failure.class.startsWith('wrong_');
  const isPast = state === 'ready' && !isAmiss;
  const how = isAmiss ? 'is listed amiss, as found' : isPast ? 'is ready again; it last failed' : 'last failed';
  const about = `${failure.class}, ${failure.phase}`;
  const head = `${id} ${how} at ${failure.at} (${about}): ${failure.message}`;
  return isPast && !isOurs ? [head] : [head, `  ${failure.advice}`];
}

/** What it means that the store is away. */
function storeText({ store, gateway }: AdminStatus): string[] {
  const meanwhile = store?.when_unavailable ?? 'local';
  const workers = gateway.sharing === undefined ? '' : "each gateway goes by what the workers' own metrics say; ";
  return [
    'the store of state.url is away: its gateways do not hear of each other, and the log says why',
    `  until it is back ${workers}${MEANWHILE[meanwhile]} (state.when_unavailable: ${meanwhile})`,
  ];
}

function gpusText({ gpus }: WorkerStatus): string {
  return gpus === null || gpus.length === 0 ? '-' : gpus.join(',');
}

/** Of a worker that somebody else runs. */
function ownEngineText({ engine, engine_version: version }: WorkerStatus): string {
  return engine == null ? '-' : [engine, version].filter((each) => each != null).join(' ');
}

/** Of several cards each worker has its own card's. */
function profilesText({ profile, workers }: AdminStatus): string {
  const names = [...new Set(workers.map((worker) => worker.profile))];
  if (names.length < 2) return profile ?? '';
  return names
    .map(
      (name) =>
        `${name} (${workers
          .filter((worker) => worker.profile === name)
          .map(({ id }) => id)
          .join(', ')})`,
    )
    .join(', ');
}

function engineText({ engine, supervised }: AdminStatus): string {
  if (engine !== null) return `${engine.simulated ? 'simulated engine' : `vLLM ${engine.version ?? ''}`.trim()} (${engine.reason})`;
  return supervised ? 'the supervisor has not been heard of yet: it starts, or the log says why it cannot' : 'external workers';
}

function duration(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3_600)} h`;
}

function gib(bytes: number | null): string {
  return bytes === null ? '?' : (bytes / 2 ** 30).toFixed(1);
}

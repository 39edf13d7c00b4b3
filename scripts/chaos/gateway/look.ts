import type { Left } from '../law/leaks.ts';
import type { GatewayProcess } from './gateway-process.ts';
import { filesOf, socketsOf } from './sockets.ts';

/** GET /stats, as far as it is read here. */
export interface Stats {
  readonly batcher: { readonly pending_requests: number };
  readonly queue: { readonly in_flight: number; readonly depth: { readonly interactive: number; readonly batch: number } };
  readonly breakers: Readonly<Record<string, { readonly state: string }>>;
  readonly workers: readonly { readonly id: string; readonly state: string; readonly in_flight: number }[];
  readonly routing: { readonly retries: unknown };
}

/** null: nobody answers. */
export async function statsOf(gateway: GatewayProcess): Promise<Stats | null> {
  const response = await gateway.admin('/stats');
  return response?.ok ? ((await response.json().catch(() => null)) as Stats | null) : null;
}

/** Whether each worker is ready and no breaker keeps calls from one. */
export function isWell({ workers, breakers }: Stats): boolean {
  return workers.every(({ state }) => state === 'ready') && Object.values(breakers).every(({ state }) => state === 'closed');
}

/** How many files a gateway has open that are no sockets. */
export function plainFiles(gateway: GatewayProcess): number {
  return filesOf(gateway.pid).filter((target) => !target.startsWith('socket:')).length;
}

/** How many requests a worker that is a process of its own, or an engine, runs or has waiting, as its metrics say. NaN: they do not say. */
export async function requestsAt(url: string): Promise<number> {
  const page = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(LOOK_MS) }).then(
    (response) => response.text(),
    () => '',
  );
  const found = [...page.matchAll(/^vllm:num_requests_(?:running|waiting)\{[^}]*\} (\S+)/gm)];
  return found.length === 0 ? NaN : found.reduce((sum, [, count]) => sum + Number(count), 0);
}

const LOOK_MS = 3_000;

interface Known {
  /** Files, not sockets, that it had open at rest. */
  readonly restFiles: number;
  /** Requests that workers still have, as they say. NaN: one of them does not say. */
  readonly openAtWorkers: () => number | Promise<number>;
}

/** What is left of calls just now. null: nobody answers. */
export async function leftNow(gateway: GatewayProcess, { restFiles, openAtWorkers }: Known): Promise<Left | null> {
  const stats = await statsOf(gateway);
  const page = await (await gateway.admin('/metrics'))?.text().catch(() => null);
  if (!stats || typeof page !== 'string') return null;
  const told = /^headgate_requests_in_flight(?:\{[^}]*\})? (\d+)/m.exec(page)?.[1];
  const sockets = socketsOf(gateway.pid);
  // Connections that this process still holds are its own: it asks by them just now.
  const ours = new Set(socketsOf(process.pid).flatMap(({ localPort, remotePort }) => (remotePort === gateway.port ? [localPort] : [])));
  const atClients = sockets.filter(
    ({ localPort, remotePort, state }) => localPort === gateway.port && state !== 'listen' && !ours.has(remotePort),
  );
  const halfClosed = sockets.filter(({ localPort, state }) => localPort !== gateway.port && state === 'close-wait');
  return {
    inFlight: stats.queue.in_flight,
    queued: stats.queue.depth.interactive + stats.queue.depth.batch,
    held: stats.batcher.pending_requests,
    atWorkers: stats.workers.reduce((sum, { in_flight: calls }) => sum + calls, 0),
    metricsInFlight: Number(told ?? NaN),
    openAtWorkers: await openAtWorkers(),
    sockets: atClients.length + halfClosed.length,
    files: Math.max(0, plainFiles(gateway) - restFiles - SLACK_FILES),
  };
}

/** Databases, segments of history and pipes come and go by themselves. */
const SLACK_FILES = 12;

import { until, type TestGateway } from '../support/gateway.ts';

interface Stats {
  readonly batcher: { readonly pending_requests: number };
  readonly queue: { readonly in_flight: number; readonly depth: { readonly interactive: number; readonly batch: number } };
  readonly workers: readonly { readonly id: string; readonly state: string; readonly in_flight: number }[];
  readonly breakers: Readonly<Record<string, { readonly state: string; readonly consecutive_failures: number }>>;
}

/** GET /stats. */
export async function statsOf(gateway: TestGateway): Promise<Stats> {
  return (await (await fetch(`${gateway.url}/stats`)).json()) as Stats;
}

/** Waits until nothing is left of any call: none in flight, queued or held, and none at any worker. */
export async function settled(gateway: TestGateway): Promise<void> {
  const { figures } = gateway.gateway;
  await until(
    async () => {
      if (figures.inFlight() + figures.queueDepth('interactive') + figures.queueDepth('batch') + figures.windowPending() > 0) return false;
      const { workers } = await statsOf(gateway);
      return workers.every((worker) => worker.in_flight === 0);
    },
    'everything back at zero',
    20_000,
  );
}

/** The `request.end` lines of the log, of one request or of all. */
export function endsOf(gateway: TestGateway, requestId?: string): Record<string, unknown>[] {
  return gateway.log.filter((line) => line['event'] === 'request.end' && (requestId === undefined || line['request_id'] === requestId));
}

/** The one `request.end` of a request, when it has come. */
export async function endOf(gateway: TestGateway, requestId: string): Promise<Record<string, unknown>> {
  await until(() => endsOf(gateway, requestId).length > 0, `the end of request ${requestId} in the log`);
  return endsOf(gateway, requestId)[0]!;
}

/** What vLLM's metrics page at `url` says of a gauge without labels of interest. */
export async function gaugeOf(url: string, name: string): Promise<number> {
  const page = await (await fetch(`${url}/metrics`)).text();
  const found = new RegExp(`^vllm:${name}\\{[^}]*\\} (\\S+)$`, 'm').exec(page)?.[1];
  if (found === undefined) throw new Error(`${url}/metrics has no vllm:${name}`);
  return Number(found);
}

/** Waits until the engine at `url` runs and holds nothing. */
export async function engineIdle(url: string): Promise<void> {
  await until(
    async () => (await gaugeOf(url, 'num_requests_running')) + (await gaugeOf(url, 'num_requests_waiting')) === 0,
    'no request running or waiting at the engine',
    20_000,
  );
}

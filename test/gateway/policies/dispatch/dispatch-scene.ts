import type { Call } from '../../../../gateway/core/call.ts';
import { GatewayError, type ErrorKind } from '../../../../gateway/core/errors.ts';
import type { Layer } from '../../../../gateway/core/handler.ts';
import type { Reply } from '../../../../gateway/core/reply.ts';
import type { BreakerSettings } from '../../../../gateway/policies/dispatch/circuit-breaker.ts';
import type { DispatchContext } from '../../../../gateway/policies/dispatch/dispatch-context.ts';
import { Dispatch } from '../../../../gateway/policies/dispatch/dispatch.ts';
import type { BalancerSettings } from '../../../../gateway/policies/dispatch/load-balancer.ts';
import type { SessionSettings } from '../../../../gateway/policies/dispatch/sessions.ts';
import type { SentPrompt } from '../../../../gateway/policies/prefix/prefix-news.ts';
import { fakeCall } from '../../../support/fake-call.ts';
import { FakeClient } from '../../../support/fake-client.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { FakeDirectory } from '../../../support/fake-directory.ts';
import { completion, type FakeExchange, FakeWorker } from '../../../support/fake-worker.ts';
import { RecordedEvents } from '../../../support/recorded-events.ts';
import { seededRandom } from '../../../support/seeded-random.ts';

const BREAKER: BreakerSettings = {
  failures: 5,
  window_ms: 30_000,
  failure_rate: 0.5,
  min_requests: 10,
  open_ms: 30_000,
  success_to_close: 2,
};
/** In turn: the first call goes to w0, the next to w1. */
const BALANCER: BalancerSettings = { policy: 'round_robin', affinity: 'none', slow_start_ms: 0 };

export interface Setup {
  workers?: number;
  max_attempts?: number;
  budget_ratio?: number;
  breaker?: Partial<BreakerSettings>;
  balancer?: Partial<BalancerSettings>;
  sessions?: Partial<SessionSettings>;
  /** At how many other workers a stream goes on. */
  resumes?: number;
  keepAliveMs?: number;
  isDraining?: () => boolean;
  /** What other processes of the gateway are told of prompts. */
  onPrompts?: (prompts: readonly SentPrompt[]) => void;
  /** What stands in front of it. */
  before?: (parts: Pick<DispatchContext, 'clock' | 'events' | 'directory'>) => Layer;
}

/** A dispatch in front of `workers` fake ones. */
export function setUp(setup: Setup = {}) {
  const { workers: count = 2, max_attempts = 2, budget_ratio = 0.2, breaker, balancer, sessions, onPrompts, before } = setup;
  const { resumes = 0, keepAliveMs = 0, isDraining } = setup;
  const clock = createFakeClock();
  const events = new RecordedEvents();
  const workers = Array.from({ length: count }, (_, i) => new FakeWorker(`w${i}`));
  const directory = new FakeDirectory(clock, workers);
  let requestIds = 0;
  const context: DispatchContext = {
    clock,
    random: seededRandom(1),
    events,
    directory,
    breaker: () => ({ ...BREAKER, ...breaker }),
    sessions: () => ({ idle_ms: 180_000, max_entries: 10_000, ...sessions }),
    balancer: () => ({ ...BALANCER, ...balancer }),
    pressure: () => ({ warn_kv_usage: 0.85, critical_kv_usage: 0.95, scrape_interval_ms: 500 }),
    retry: () => ({ max_attempts, budget_ratio }),
    relay: () => ({ first_token_ms: 60_000, idle_ms: 60_000, keep_alive_ms: keepAliveMs }),
    resumes: () => resumes,
    ...(isDraining ? { isDraining } : {}),
    // As those who list workers do: it leaves service until it is another life.
    onStopping: (worker) => directory.setState(worker as FakeWorker, 'starting'),
    ...(onPrompts && { kin: { speaks: () => true, tell: () => {}, stored: () => {}, prompts: onPrompts } }),
    toGateway: () => ({}),
    newRequestId: () => `fresh-${++requestIds}`,
  };
  const dispatch = new Dispatch(context);
  const handler = before ? before(context)(dispatch.handler()) : dispatch.handler();

  /** Sends a call; its reply, or the error it threw, is in `result` once there is one. */
  function send(call: Call = fakeCall()): Sent {
    const sent: Sent = { call, result: null, client: new FakeClient(call) };
    handler(call).then(
      (reply) => {
        sent.result = reply;
        sent.client.receive(reply);
      },
      (error: GatewayError) => {
        sent.result = error;
      },
    );
    return sent;
  }

  /** Exchanges that wait for the test to say what the worker does. */
  const open = (): FakeExchange[] => workers.flatMap((worker) => worker.transport.exchanges.filter((exchange) => !exchange.over));
  const settle = (): Promise<void> => clock.advance(0);

  /** Sends a call and has the worker that gets it (and any after it) behave so. */
  async function sendTo(behavior: (exchange: FakeExchange, attempt: number) => void, call?: Call): Promise<Sent> {
    const sent = send(call);
    for (let attempt = 1; ; attempt++) {
      await settle();
      const exchange = open()[0];
      if (!exchange || sent.result) return sent;
      behavior(exchange, attempt);
    }
  }

  const asked = (): number[] => workers.map((worker) => worker.transport.exchanges.length);
  return { clock, events, workers, directory, dispatch, handler, send, sendTo, open, settle, asked };
}

export interface Sent {
  readonly call: Call;
  result: Reply | GatewayError | null;
  readonly client: FakeClient;
}

export function kindOf({ result }: Sent): ErrorKind {
  if (result instanceof GatewayError) return result.kind;
  throw new Error(`not an error: ${JSON.stringify(result)}`);
}

export function textOf({ result, client }: Sent): string {
  if (result === null || result instanceof GatewayError) throw new Error(`no reply: ${String(result)}`);
  return client.text;
}

export const good = (exchange: FakeExchange): unknown => exchange.answer(200, completion());
export const refuse = (exchange: FakeExchange): unknown => exchange.failed('connect');
export const die = (exchange: FakeExchange): unknown => exchange.sent().failed('died');
export const fail500 = (exchange: FakeExchange): unknown =>
  exchange.answer(500, { error: { message: 'internal', type: 'x', param: null, code: 500 } });
/** The first attempt goes wrong, those after it go well. */
export const once =
  (first: (exchange: FakeExchange) => unknown) =>
  (exchange: FakeExchange, attempt: number): void =>
    void (attempt === 1 ? first(exchange) : good(exchange));

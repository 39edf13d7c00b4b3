import { expect } from 'vitest';
import type { Call, Route } from '../../gateway/core/call.ts';
import type { Handler } from '../../gateway/core/handler.ts';
import { GatewayError } from '../../gateway/core/errors.ts';
import type { Random } from '../../gateway/core/random.ts';
import { pipeline, type PolicyParts } from '../../gateway/pipeline.ts';
import { InFlight } from '../../gateway/policies/account.ts';
import { Admission } from '../../gateway/policies/admission/admission.ts';
import { slotsOf, type AdmissionContext } from '../../gateway/policies/admission/places.ts';
import { BatchWindows } from '../../gateway/policies/window/batch-window.ts';
import { Dispatch } from '../../gateway/policies/dispatch/dispatch.ts';
import { CHAT, fakeCall } from '../support/fake-call.ts';
import { FakeClient } from '../support/fake-client.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { FakeDirectory } from '../support/fake-directory.ts';
import { type FakeExchange, FakeWorker, MODEL } from '../support/fake-worker.ts';
import { RecordedEvents } from '../support/recorded-events.ts';
import type { Happening, House } from './call-happenings.ts';
import { act } from './worker-acts.ts';
import { seededRandom } from '../support/seeded-random.ts';

/** A route whose streams end with their body. */
const RESPONSES: Route = { ...CHAT, path: '/v1/responses', streamEnd: 'end-of-body' };
const TIMEOUTS = {
  first_token_ms: 400,
  idle_ms: 300,
  stream_total_ms: 2_500,
  request_total_ms: 1_500,
  stream_max_ms: 4_000,
  request_max_ms: 2_500,
};
const PRESSURE = { warn_kv_usage: 0.85, critical_kv_usage: 0.95, scrape_interval_ms: 500 };
const OPEN_MS = 2_000;
const SESSION_IDLE_MS = 1_500;
const MOST_SESSIONS = 2;
/** How often admission looks whether pressure has fallen. */
const LOOK_AGAIN_MS = 250;
const POISON = '{"prompt":"the one that kills"}';

/** One call and all that became of it. */
export interface Life {
  readonly call: Call;
  readonly client: FakeClient;
  readonly exchanges: { readonly worker: FakeWorker; readonly exchange: FakeExchange }[];
}

/** The whole path of a request, real but for the clock, the workers and the clients. */
export class World {
  readonly clock = createFakeClock();
  readonly events = new RecordedEvents();
  readonly lives: Life[] = [];
  readonly unexpected: unknown[] = [];
  readonly inFlight = new InFlight();
  readonly directory: FakeDirectory;
  readonly admission: Admission;
  readonly windows: BatchWindows;
  readonly dispatch: Dispatch;
  readonly #house: House;
  readonly #chance: Random;
  readonly #workers: readonly FakeWorker[];
  readonly #parts: PolicyParts;
  readonly #admissionContext: AdmissionContext;
  #window: { window_ms: number; max_batch_size: number; guardrail: { p95_slo_ms: number; enabled: boolean } };
  #handler: Handler;
  /** The call that is being routed: the exchange made next is its. */
  #routing: Life | null = null;
  #widestMs: number;

  constructor(house: House) {
    const { clock, events } = this;
    const random = seededRandom(house.seed);
    this.#house = house;
    this.#chance = seededRandom(house.seed + 1);
    this.#widestMs = house.window_ms;
    this.#workers = house.workers.map((maxNumSeqs, i) => new FakeWorker(`w${i}`, { maxNumSeqs }));
    this.directory = new FakeDirectory(clock, this.#workers);
    for (const worker of this.#workers) worker.transport.onExchange = (exchange) => this.#onExchange(worker, exchange);
    this.#window = { window_ms: house.window_ms, max_batch_size: house.max_batch_size, guardrail: { p95_slo_ms: 200, enabled: true } };
    const { directory } = this;
    this.#admissionContext = {
      clock,
      events,
      directory,
      admission: () => ({ max_queue: house.max_queue, queue_timeout_ms: house.queue_timeout_ms, headroom: 0, reject_status: 503 }),
      pressure: () => PRESSURE,
      timeouts: () => TIMEOUTS,
    };
    this.admission = new Admission(this.#admissionContext);
    this.windows = new BatchWindows(clock, events, () => this.#window);
    let requestIds = 0;
    this.dispatch = new Dispatch({
      clock,
      random,
      events,
      directory,
      breaker: () => ({
        failures: house.failures,
        window_ms: 5_000,
        failure_rate: 0.4,
        min_requests: 4,
        open_ms: OPEN_MS,
        success_to_close: house.success_to_close,
      }),
      sessions: () => ({ idle_ms: SESSION_IDLE_MS, max_entries: MOST_SESSIONS }),
      balancer: () => ({ policy: house.policy, affinity: house.affinity, slow_start_ms: 500 }),
      pressure: () => PRESSURE,
      retry: () => ({ max_attempts: house.max_attempts, budget_ratio: 0.5 }),
      relay: () => ({ ...TIMEOUTS, keep_alive_ms: house.keep_alive_ms }),
      onStopping: () => {},
      toGateway: () => ({}),
      newRequestId: () => `request-${++requestIds}`,
    });
    const routed = events.routed;
    Object.assign(events, {
      routed: (call: Call, worker: string) => {
        this.#routing = this.lives.find((life) => life.call === call)!;
        routed(call, worker);
      },
    });
    this.#parts = {
      clock,
      random,
      events,
      directory: this.directory,
      inFlight: this.inFlight,
      admission: this.admission,
      windows: this.windows,
      dispatch: this.dispatch,
      timeouts: () => TIMEOUTS,
      onUnexpected: (error) => this.unexpected.push(error),
    };
    this.#handler = pipeline(this.#parts);
  }

  /** Exchanges that still run, oldest first. */
  open(): { life: Life; worker: FakeWorker; exchange: FakeExchange }[] {
    return this.lives.flatMap((life) =>
      life.exchanges.filter(({ exchange }) => !exchange.over).map(({ worker, exchange }) => ({ life, worker, exchange })),
    );
  }

  async happen(event: Happening, rest: boolean): Promise<void> {
    switch (event.kind) {
      case 'arrive':
        this.#arrive(event);
        break;
      case 'worker': {
        const target = pick(this.open(), event.which);
        if (target) act(target.exchange, target.life.call, event.action);
        break;
      }
      case 'client': {
        const client = pick(
          this.lives.filter((life) => !life.client.closed),
          event.which,
        )?.client;
        if (event.action === 'close') client?.close();
        else if (event.action === 'drain') client?.drain();
        else if (client) client.slow = true;
        break;
      }
      case 'readiness':
        this.#setReadiness(pick(this.#workers, event.which)!, event.state);
        break;
      case 'pressure': {
        const { kvUsage, waiting } = event;
        Object.assign(pick(this.#workers, event.which)!.load, { kvUsage, waiting, scrapedAt: this.clock.now() });
        break;
      }
      case 'reload':
        // In the order in which the composition root does it.
        this.#window = { ...this.#window, window_ms: event.window_ms };
        this.#widestMs = Math.max(this.#widestMs, event.window_ms);
        this.dispatch.configure();
        this.windows.reset();
        this.#handler = pipeline(this.#parts);
        this.admission.poke();
        break;
      case 'drain':
        this.windows.drain();
        break;
      case 'cut all':
        for (const { call } of this.lives) call.cancellation.cancel(new GatewayError('draining', 'The gateway is shutting down.'));
        break;
      case 'tick':
        break;
    }
    const ms = event.kind === 'tick' ? event.ms : 0;
    if (!rest && ms === 0) return;
    await this.clock.advance(ms);
    this.#checkNow(ms > LOOK_AGAIN_MS);
  }

  /** Lets time end everything: readers read on, workers stay silent. */
  async settle(): Promise<void> {
    for (const { client } of this.lives) client.drain();
    await this.clock.advance(TIMEOUTS.stream_total_ms + TIMEOUTS.idle_ms);
    for (const { client } of this.lives) client.drain();
    await this.clock.advance(Math.max(OPEN_MS, SESSION_IDLE_MS) + 2_000);
  }

  /** What must hold when everything has settled, for all calls together. */
  checkNothingIsLeft(): void {
    const { inFlight, admission, windows, clock } = this;
    const left = {
      inFlight: inFlight.count,
      queued: admission.depth('interactive') + admission.depth('batch'),
      places: admission.inUse(),
      held: windows.pending,
      sessions: this.dispatch.sessions.active,
      atWorkers: this.#workers.map((worker) => worker.inFlight),
      sockets: this.#workers.map((worker) => worker.transport.openSockets),
      timers: clock.pending,
      unexpected: this.unexpected,
    };
    const none = this.#workers.map(() => 0);
    expect(left).toEqual({
      inFlight: 0,
      queued: 0,
      places: 0,
      held: 0,
      sessions: 0,
      atWorkers: none,
      sockets: none,
      timers: 0,
      unexpected: [],
    });
    // A breaker whose probe was lost would admit nobody for ever.
    for (const [id, breaker] of this.dispatch.breakers) expect([id, breaker.admits(clock.now())]).toEqual([id, true]);
  }

  get maxAttempts(): number {
    return this.#house.max_attempts;
  }

  get queueTimeoutMs(): number {
    return this.#house.queue_timeout_ms;
  }

  /** The widest window there has been. */
  get widestMs(): number {
    return this.#widestMs;
  }

  /** What must hold at any moment between two events. `rested`: for long enough that every periodic look has been taken. */
  #checkNow(rested: boolean): void {
    let atWorkers = 0;
    let capacity = 0;
    for (const worker of this.#workers) {
      atWorkers += worker.inFlight;
      capacity += worker.view.maxNumSeqs;
      expect(worker.inFlight).toBeGreaterThanOrEqual(0);
      expect(worker.inFlight).toBeLessThanOrEqual(worker.transport.openSockets);
    }
    const places = this.admission.inUse();
    expect(places).toBeLessThanOrEqual(Math.min(this.inFlight.count, capacity));
    // Whatever is held or at a worker has a place, for as long as it is there.
    expect(this.windows.pending + atWorkers).toBeLessThanOrEqual(places);
    // With nothing in flight nothing waits for its time, but a stream's last bytes, and conversations for theirs.
    const { active } = this.dispatch.sessions;
    expect(active).toBeLessThanOrEqual(MOST_SESSIONS);
    if (this.inFlight.count === 0 && this.open().length === 0) expect(this.clock.pending).toBe(active > 0 ? 1 : 0);
    for (const { call, client, exchanges } of this.lives) {
      // Whoever has gone frees its worker at once.
      if (client.closed && !client.complete && exchanges.some(({ exchange }) => !exchange.over)) {
        expect.fail(`${call.id} has gone, and its worker still works for it`);
      }
      // Whoever's time is over has been told so.
      const limitMs = call.peek.stream ? TIMEOUTS.stream_total_ms : TIMEOUTS.request_total_ms;
      if (client.reply === null && this.clock.now() > call.arrivedAt + limitMs) expect.fail(`${call.id} should have ended by now`);
    }
    const queued = this.admission.depth('interactive') + this.admission.depth('batch');
    if (!rested || queued === 0) return;
    // Nobody waits while there is a place that was there at the last look.
    const [then, now] = [this.clock.now() - LOOK_AGAIN_MS, this.clock.now()].map((at) =>
      slotsOf(this.directory.readyFor(MODEL), this.#admissionContext, at),
    ) as [number, number];
    expect(this.admission.inUse()).toBeGreaterThanOrEqual(Math.min(then, now));
  }

  #arrive(event: Extract<Happening, { kind: 'arrive' }>): void {
    const call = fakeCall({
      id: `call ${this.lives.length}`,
      route: event.done ? CHAT : RESPONSES,
      stream: event.stream,
      priority: event.priority,
      sessionId: `session ${event.session}`,
      arrivedAt: this.clock.now(),
      ...(event.body === 'poison' ? { text: POISON } : {}),
    });
    const client = new FakeClient(call);
    client.slow = event.slow;
    if (event.gone === 'before') client.close();
    this.lives.push({ call, client, exchanges: [] });
    this.#handler(call).then(
      (reply) => client.receive(reply),
      (error: unknown) => this.unexpected.push(error),
    );
    if (event.gone === 'at once') client.close();
  }

  #onExchange(worker: FakeWorker, exchange: FakeExchange): void {
    const life = this.#routing;
    this.#routing = null;
    if (!life) throw new Error('an exchange was made for no call');
    // Once a reply is there, its first byte may be on its way.
    expect([life.call.id, life.client.reply]).toEqual([life.call.id, null]);
    life.exchanges.push({ worker, exchange });
    // On a kept connection the request is written before the transport returns.
    if (this.#chance.next() < 0.5) exchange.sent();
  }

  #setReadiness(worker: FakeWorker, state: 'ready' | 'starting' | 'gone'): void {
    const present = this.directory.workers().filter((other) => other !== worker) as FakeWorker[];
    if (state === 'gone') {
      worker.view = { ...worker.view, state: 'stopping' };
      worker.life = null;
      this.directory.setWorkers(present);
      return;
    }
    if (!this.directory.workers().includes(worker)) this.directory.setWorkers([...present, worker]);
    this.directory.setState(worker, state);
  }
}

function pick<T>(from: readonly T[], which: number): T | undefined {
  return from[which % Math.max(1, from.length)];
}

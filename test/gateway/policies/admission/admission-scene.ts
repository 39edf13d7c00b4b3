import type { Call } from '../../../../gateway/core/call.ts';
import type { GatewayError } from '../../../../gateway/core/errors.ts';
import type { Layer } from '../../../../gateway/core/handler.ts';
import type { Lease } from '../../../../gateway/core/lease.ts';
import { Admission } from '../../../../gateway/policies/admission/admission.ts';
import type { AdmissionSettings } from '../../../../gateway/policies/admission/places.ts';
import type { PressureSettings } from '../../../../gateway/policies/capacity/pressure.ts';
import { outliveWorker } from '../../../../gateway/policies/lost/outlive-worker.ts';
import { fakeCall, type FakeCallOptions } from '../../../support/fake-call.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { FakeDirectory } from '../../../support/fake-directory.ts';
import { FakeWorker } from '../../../support/fake-worker.ts';
import { RecordedEvents } from '../../../support/recorded-events.ts';

const TIMEOUTS = { stream_total_ms: 300_000, request_total_ms: 60_000 };
const PRESSURE: PressureSettings = { warn_kv_usage: 0.85, critical_kv_usage: 0.95, scrape_interval_ms: 500 };

/** `slots` places at one worker, unless there are others. */
export function setUp({ slots = 1, workers = [new FakeWorker('w0', { maxNumSeqs: slots })], ...over }: Setup = {}) {
  const clock = createFakeClock();
  const events = new RecordedEvents();
  const directory = new FakeDirectory(clock, workers);
  const settings: { -readonly [K in keyof AdmissionSettings]: AdmissionSettings[K] } = {
    max_queue: 100,
    queue_timeout_ms: 30_000,
    headroom: 0,
    reject_status: 503,
    ...over,
  };
  const wishes: [string, number][] = [];
  /** How many places were asked back of calls of the lower class, each time. */
  const short: number[] = [];
  const admission = new Admission({
    clock,
    events,
    directory,
    admission: () => settings,
    pressure: () => PRESSURE,
    timeouts: () => TIMEOUTS,
    wish: (model, waiting) => void wishes.push([model, waiting]),
    short: (_, count) => void short.push(count),
  });
  const order: string[] = [];
  const leases = new Map<string, Lease>();

  /** Enters a call; what becomes of it is found in `order`, `leases` and the promise. */
  function enter(options: FakeCallOptions = {}): { call: Call; refused: Promise<GatewayError | null> } {
    const call = fakeCall({ arrivedAt: clock.now(), ...options });
    const refused = admission
      .room(call.model)
      .enter(call)
      .then(
        (lease) => {
          order.push(call.id);
          leases.set(call.id, lease);
          return null;
        },
        (error: GatewayError) => error,
      );
    return { call, refused };
  }

  /** What is admitted, and comes back for another place when it has lost its worker. */
  const passed: Layer = (next) =>
    admission.layer()(outliveWorker({ clock, events, directory, lineUpAgain: (call) => admission.lineUpAgain(call) })(next));

  function leave(id: string): void {
    const lease = leases.get(id);
    if (!lease) throw new Error(`${id} has no place`);
    lease.release();
  }

  return {
    clock,
    events,
    directory,
    admission,
    settings,
    wishes,
    short,
    workers,
    enter,
    passed,
    leave,
    order,
    leases,
    settle: () => clock.advance(0),
  };
}

export type Setup = Partial<AdmissionSettings> & { slots?: number; workers?: FakeWorker[] };

export async function refusal(entered: { refused: Promise<GatewayError | null> }): Promise<GatewayError> {
  const error = await entered.refused;
  if (!error) throw new Error('the call was let in');
  return error;
}

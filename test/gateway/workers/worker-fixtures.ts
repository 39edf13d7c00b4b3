import { type Clock, sleep } from '../../../gateway/core/clock.ts';
import type { Events } from '../../../gateway/core/events.ts';
import type { SupervisorSnapshot } from '../../../gateway/link/snapshot.ts';
import type { WorkerTransport } from '../../../gateway/core/transport.ts';
import type { ServedModel, WorkerView } from '../../../gateway/core/worker.ts';
import type { TransportTarget } from '../../../gateway/workers/directory-worker.ts';

export function served(id: string, over: Partial<ServedModel> = {}): ServedModel {
  return { id, root: null, parent: null, maxModelLen: null, ...over };
}

export function view(id: string, over: Partial<WorkerView> = {}): WorkerView {
  return {
    id,
    url: `http://${id}.test:8000`,
    models: [served('m')],
    state: 'ready',
    stage: null,
    maxNumSeqs: 16,
    scheduling: 'fcfs',
    group: 'main',
    pid: null,
    port: null,
    startedAtMs: null,
    restarts: 0,
    degradation: [],
    refuses: [],
    lastFailure: null,
    etaSeconds: null,
    profile: null,
    engine: null,
    args: [],
    ...over,
  };
}

export function snapshot(over: Partial<SupervisorSnapshot> = {}): SupervisorSnapshot {
  return {
    revision: 1,
    pid: 1,
    version: '0.1.0',
    engine: 'sim',
    engineReason: 'There is no GPU.',
    vllmVersion: null,
    profile: 'none',
    tuning: 'balanced',
    gpus: [],
    models: [],
    workers: [],
    ...over,
  };
}

export type Answer = { readonly status: number; readonly body: string };

/** What a worker answers, by path; any other gets a 404. 'never' runs into the time limit. */
export type FakeAnswers = Record<string, Answer | Error | 'never' | { readonly afterMs: number; readonly answer: Answer }>;

export interface FakeTransport extends WorkerTransport {
  readonly target: TransportTarget;
  readonly asked: string[];
  closed: boolean;
}

export interface FakeTransports {
  readonly all: FakeTransport[];
  /** What the workers answer now, by worker id. */
  readonly answers: Record<string, FakeAnswers>;
  create(target: TransportTarget): FakeTransport;
  asked(id: string): string[];
}

export function fakeTransports(clock: Clock, answers: Record<string, FakeAnswers> = {}): FakeTransports {
  const all: FakeTransport[] = [];
  return {
    all,
    answers,
    create(target) {
      const asked: string[] = [];
      const transport: FakeTransport = {
        target,
        asked,
        closed: false,
        openSockets: 0,
        exchange() {
          throw new Error('These tests exchange nothing.');
        },
        async get(path, timeoutMs) {
          asked.push(path);
          const answer = answers[target.id]?.[path] ?? { status: 404, body: '' };
          if (answer instanceof Error) throw answer;
          if (answer !== 'never' && !('afterMs' in answer)) return answer;
          await sleep(clock, answer === 'never' ? timeoutMs : Math.min(answer.afterMs, timeoutMs));
          if (answer === 'never' || answer.afterMs > timeoutMs) throw new Error('timed out');
          return answer.answer;
        },
        async close() {
          transport.closed = true;
        },
      };
      all.push(transport);
      return transport;
    },
    asked: (id) => all.filter((transport) => transport.target.id === id).flatMap((transport) => transport.asked),
  };
}

/** As undici and node:net put it: the reason is in the cause. */
export function refused(): Error {
  return new Error('connect failed', { cause: Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }) });
}

export function recordChanges(): { events: Pick<Events, 'workerChanged'>; seen: string[] } {
  const seen: string[] = [];
  return {
    seen,
    events: { workerChanged: (now, before) => void seen.push(`${now.id}: ${before?.state ?? 'new'} -> ${now.state}`) },
  };
}

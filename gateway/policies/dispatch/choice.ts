import type { Call } from '../../core/call.ts';
import { GatewayError } from '../../core/errors.ts';
import { elsewhere } from '../../core/hops/elsewhere.ts';
import type { Worker, WorkerDirectory } from '../../core/worker.ts';
import { ableWorkers, unableError } from '../../engines/abilities.ts';
import { fittingWorkers } from '../capacity/large-requests.ts';
import { noWorkerError } from '../capacity/no-worker.ts';
import { pressureOf, type PressureSettings } from '../capacity/pressure.ts';
import { unwillingError, willingWorkers } from '../capacity/prompt-logprobs.ts';
import type { Share } from '../capacity/share.ts';
import type { Losses } from '../lost/loss.ts';
import { nameAt } from '../relay/named-body.ts';
import type { AskedForRest } from './asked-for-rest.ts';
import type { Breakers } from './breakers.ts';
import type { GroupSplit } from './group-split.ts';
import type { Denials } from './denials.ts';

/** Who is to be asked next? */
export interface Question {
  readonly call: Call;
  /** Workers that have been asked already. */
  readonly tried: readonly Worker[];
  /** Monotonic ms. */
  readonly now: number;
}

/** One reason to leave workers out. */
export interface Filter {
  /** The workers that the filter leaves; the list itself when that is all of them. */
  readonly keep: (workers: readonly Worker[], question: Question) => readonly Worker[];
  /** What the call is told when the filter leaves none. Absent: this filter always leaves one. */
  readonly refusal?: (before: readonly Worker[], question: Question) => GatewayError;
}

export interface ChoiceContext {
  readonly directory: WorkerDirectory;
  readonly pressure: () => PressureSettings;
  /** What this process may have at each worker, where several are one gateway. */
  readonly share?: Pick<Share, 'places'> | undefined;
}

/** Which workers may be asked, in the order in which the reasons count. */
export function filters(
  { directory, pressure, share }: ChoiceContext,
  breakers: Breakers,
  losses: Losses,
  rest: AskedForRest,
  denials: Denials,
  groups: GroupSplit,
  keyOf: (call: Call) => string | null,
): readonly Filter[] {
  return [
    {
      keep: (_, { call }) => directory.readyFor(call.model),
      refusal: (_, { call }) => noWorkerError(directory, call.model),
    },
    {
      keep: (workers, { call }) => elsewhere(workers, call.cameBy),
      refusal: (_, { call: { model } }) =>
        new GatewayError('no_worker', `Nobody serves ${model} here but gateways that the call has come by.`),
    },
    {
      keep: (workers, { call }) => (call.only === null ? workers : workers.filter(({ id }) => id === call.only!.worker)),
      refusal: (_, { call }) => new GatewayError('no_worker', `The worker that has what ${call.route.path} asks for is not ready.`),
    },
    {
      keep: (workers, { call }) => ableWorkers(workers, call),
      refusal: (before, { call }) => unableError(before, call),
    },
    {
      keep: (workers, { call }) => willingWorkers(workers, call),
      refusal: (_, { call }) => unwillingError(directory, call),
    },
    { keep: (workers, { call }) => fittingWorkers(workers, call, directory) },
    {
      keep: (workers, { tried, now }) => breakers.admitting(untried(workers, tried), now),
      refusal: (before, { call, now }) => allOpen(before, call, now),
    },
    {
      keep: (workers, { call, now }) => rest.awake(workers, call.model, now),
      refusal: (before, { call, now }) => {
        const message = `The workers for ${call.model} have asked to be left alone for a moment.`;
        return new GatewayError('worker_busy', message, { retryAfterMs: rest.leftMs(before, call.model, now) });
      },
    },
    { keep: (workers, { call, now }) => denials.serving(workers, (worker) => nameAt(call, worker, directory), now) },
    { keep: (workers, { call, tried, now }) => groups.keep(workers, call, tried.length > 0, keyOf, isCritical(pressure(), now)) },
    { keep: (workers, { now }) => calm(workers, pressure(), now) },
    ...(share === undefined ? [] : [{ keep: (workers: readonly Worker[]) => notFull(workers, share) }]),
  ];

  /** No breaker admits a call. Where the cause is that a worker has just ended, the call can wait for what the supervisor says. */
  function allOpen(workers: readonly Worker[], { model }: Call, now: number): GatewayError {
    const standStill = workers.every(({ load }) => load.withheldAt !== null);
    const why = standStill
      ? 'make no token for anybody and are left alone until they do'
      : 'have failed repeatedly and are being left alone for a moment';
    const message = `The workers for ${model} ${why}.`;
    const error = new GatewayError('breaker_open', message, { retryAfterMs: Math.max(0, breakers.soonest(workers, now) - now) });
    return losses.unexplained(error, workers, now) ?? error;
  }
}

/** @returns those that every filter leaves, or the refusal of the first that leaves none */
export function candidates(chain: readonly Filter[], question: Question): readonly Worker[] | GatewayError {
  let left: readonly Worker[] = [];
  for (const { keep, refusal } of chain) {
    const before = left;
    left = keep(before, question);
    if (left.length === 0 && refusal) return refusal(before, question);
  }
  return left;
}

function untried(workers: readonly Worker[], tried: readonly Worker[]): readonly Worker[] {
  return tried.length === 0 ? workers : workers.filter((worker) => !tried.includes(worker));
}

function isCritical(settings: PressureSettings, now: number): (worker: Worker) => boolean {
  return ({ load }) => pressureOf(settings, load, now) === 'critical';
}

/** Leaves workers under critical pressure out, unless all of them are. */
function calm(workers: readonly Worker[], settings: PressureSettings, now: number): readonly Worker[] {
  if (workers.length < 2) return workers;
  const isFull = isCritical(settings, now);
  const others = workers.filter((worker) => !isFull(worker));
  return others.length > 0 ? others : workers;
}

/** Leaves workers out of whose places this process has none free, unless that is so of all: what is free there may be another's. */
function notFull(workers: readonly Worker[], share: Pick<Share, 'places'>): readonly Worker[] {
  if (workers.length < 2) return workers;
  const others = workers.filter(({ id, inFlight }) => inFlight < share.places(id));
  return others.length > 0 ? others : workers;
}

import type { Call } from '../../core/call.ts';
import type { Clock } from '../../core/clock.ts';
import type { Events } from '../../core/events.ts';
import type { Random } from '../../core/random.ts';
import type { Worker, WorkerDirectory } from '../../core/worker.ts';
import type { PressureSettings } from '../capacity/pressure.ts';
import type { Share } from '../capacity/share.ts';
import type { SentPrompt } from '../prefix/prefix-news.ts';
import type { RelaySettings } from '../relay/relay.ts';
import type { AnswerPlace } from './answer-places.ts';
import type { BreakerKin } from './breakers.ts';
import type { BreakerSettings } from './circuit-breaker.ts';
import type { GroupSplit } from './group-split.ts';
import type { BalancerSettings } from './load-balancer.ts';
import type { SessionSettings } from './sessions.ts';

interface RetrySettings {
  /** Attempts in all; 1 = never retry. */
  readonly max_attempts: number;
  readonly budget_ratio: number;
}

/** What the other processes are told of. */
interface Told {
  readonly stored: (answer: string, place: AnswerPlace) => void;
  readonly prompts: (prompts: readonly SentPrompt[]) => void;
}

export interface DispatchContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Events;
  readonly directory: WorkerDirectory;
  /** Absent: its own, which divides nothing. */
  readonly groups?: GroupSplit;
  readonly breaker: () => BreakerSettings;
  readonly balancer: () => BalancerSettings;
  readonly sessions: () => SessionSettings;
  readonly pressure: () => PressureSettings;
  readonly retry: () => RetrySettings;
  /** What this process may have at each worker, where several are one gateway. */
  readonly share?: Pick<Share, 'places'> | undefined;
  /** The other processes, in that case. */
  readonly kin?: (BreakerKin & Told) | undefined;
  readonly relay: () => RelaySettings;
  /** At how many other workers a stream of the model goes on whose worker is lost. Absent: at none. */
  readonly resumes?: (model: string) => number;
  /** The gateway is about to end. Absent: it never is. */
  readonly isDraining?: () => boolean;
  /** A worker has said that it takes nothing new because it is about to end: whoever lists it is to take it out of service. */
  readonly onStopping: (worker: Worker) => void;
  /**
   * A worker has said that it has not the model, which it was taken to serve, by its name there: whoever lists it is to ask it for its models
   * again. `isNews`: it has not said so before, as far as is known.
   */
  readonly onUnserved?: (worker: Worker, model: string, isNews: boolean) => void;
  /** A fresh id for each attempt: vLLM makes the completion's id of it, and two attempts must not share one. */
  readonly newRequestId: () => string;
  /** Headers for a worker that is a gateway itself: by which a call has come, this one included, and what its client wants of any of them. */
  readonly toGateway: (call: Call) => Readonly<Record<string, string>>;
}

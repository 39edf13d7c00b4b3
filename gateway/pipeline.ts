import type { Handler, Layer } from './core/handler.ts';
import type { Clock } from './core/clock.ts';
import type { Events } from './core/events.ts';
import type { Random } from './core/random.ts';
import type { WorkerDirectory } from './core/worker.ts';
import { refuseUnable } from './engines/abilities.ts';
import { account, type InFlight } from './policies/account.ts';
import type { Admission } from './policies/admission/admission.ts';
import type { BatchWindows } from './policies/window/batch-window.ts';
import { deadline } from './policies/deadline.ts';
import type { DeadlineSettings } from './core/time-limits.ts';
import type { Dispatch } from './policies/dispatch/dispatch.ts';
import { fallBack } from './policies/fallback/fall-back.ts';
import { outliveWorker } from './policies/lost/outlive-worker.ts';
import { refusePromptLogprobs } from './policies/capacity/prompt-logprobs.ts';
import { rescue } from './policies/rescue.ts';

/** What the policies keep between calls, and across a reload. */
export interface PolicyParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Events;
  readonly directory: WorkerDirectory;
  readonly inFlight: InFlight;
  readonly admission: Admission;
  readonly windows: BatchWindows;
  readonly dispatch: Dispatch;
  readonly timeouts: () => DeadlineSettings;
  /** Whether any model has a fallback. Absent: none has. */
  readonly fallsBack?: () => boolean;
  /**
   * Policies that may answer or refuse a call before it takes a place, in their order. They may wait for somebody else's word (a shared
   * count, a cache, a record), within the call's deadline.
   */
  readonly early?: readonly Layer[];
  readonly onUnexpected: (error: unknown, callId: string) => void;
}

/**
 * A request's path. By now it has been read and identified (http/identify.ts): it is a Call.
 * First listed = outermost: it sees the call first and the reply last.
 */
export function pipeline(parts: PolicyParts): Handler {
  return stack(
    [
      // Opens the books before anything can refuse, and closes them at the last byte, whatever happens in between.
      account(parts.inFlight, parts.events),
      // Turns every error below into an answer, so that above it there are only replies.
      rescue(parts.random, parts.onUnexpected),
      // The clock runs from arrival: waiting counts.
      deadline(parts.clock, parts.timeouts, parts.directory),
      ...(parts.early ?? []),
      // What this model's workers cannot take may be another's, once all below has been tried and before a byte has come.
      fallBack(parts),
      // What no engine here can do, such as a path that only vLLM has, or has no memory for, does not wait for one of them.
      refuseUnable(parts.directory),
      refusePromptLogprobs(parts.directory),
      // Refuses early and cheaply, or waits for a place. Only what has a place may be held or sent.
      parts.admission.layer(),
      // The one way back: a call that lost its worker before a byte had come goes to the front of the line.
      outliveWorker({
        clock: parts.clock,
        events: parts.events,
        directory: parts.directory,
        lineUpAgain: (call) => parts.admission.lineUpAgain(call),
      }),
      // Holds admitted calls for a moment so that a burst leaves together; next to the workers, so that nothing spreads it again.
      parts.windows.layer(),
    ],
    // leave out → balance → relay, once for each attempt.
    parts.dispatch.handler(),
  );
}

function stack(layers: readonly Layer[], innermost: Handler): Handler {
  return layers.reduceRight((next, layer) => layer(next), innermost);
}

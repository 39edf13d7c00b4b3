import type { Attempt, Verdict } from '../../core/attempt.ts';
import type { Call } from '../../core/call.ts';
import type { Clock } from '../../core/clock.ts';
import type { GatewayError } from '../../core/errors.ts';
import type { Events } from '../../core/events.ts';
import { nameOf } from '../../core/principal.ts';
import type { Worker, WorkerLife } from '../../core/worker.ts';
import { type Losses, NOTICE_MS } from '../lost/loss.ts';
import type { AttemptObserver, Underway } from '../relay/attempt-result.ts';
import type { AnswerPlaces } from './answer-places.ts';
import type { Blame } from './blame.ts';
import type { Permit } from './circuit-breaker.ts';
import type { Held, InHand } from '../in-hand/in-hand.ts';
import type { Session, Sessions } from './sessions.ts';
import type { SharedPlaces } from './shared-places.ts';
import type { Suspects, Witness } from './suspects.ts';
import type { Denials } from './denials.ts';

/** What learns from every attempt. */
export interface Learners {
  readonly clock: Clock;
  readonly events: Pick<Events, 'attemptEnded'>;
  readonly suspects: Suspects;
  readonly losses: Losses;
  readonly blame: Blame;
  readonly answers: AnswerPlaces;
  readonly inHand: InHand;
  readonly sessions: Sessions;
  readonly shared: SharedPlaces;
  readonly denials: Denials;
}

/** Where the stream of a call may go on at another worker. */
interface StreamHeir {
  takeUp(error: GatewayError, attempt: Attempt): boolean;
  countIn(attempt: Attempt): void;
}

/** Keeps the books of one attempt: counts it at its worker from the first moment to the last, and tells breaker and suspicions how it went. */
export class AttemptBooks implements AttemptObserver {
  readonly #learners: Learners;
  readonly #call: Call;
  readonly #attempt: Attempt;
  readonly #worker: Worker;
  readonly #permit: Permit;
  /** Whether the breaker waits for this one to tell. */
  readonly #isProbe: boolean;
  readonly #session: Session | null;
  readonly #onRead: (() => void) | null;
  readonly #held: Held;
  /** It is counted for its model, whose workers have calls of others as well. */
  readonly #isShared: boolean;
  readonly #heir: StreamHeir | null;
  /** The worker has the request and has not said anything yet. */
  #isUnanswered = false;
  #isOpen = true;

  /** @param onRead whoever counts what the worker has to read yet; may be told twice */
  constructor(
    learners: Learners,
    { call, attempt, worker }: { readonly call: Call; readonly attempt: Attempt; readonly worker: Worker },
    permit: Permit,
    isProbe: boolean,
    session: Session | null,
    onRead: (() => void) | null,
    heir: StreamHeir | null,
  ) {
    this.#learners = learners;
    this.#call = call;
    this.#attempt = attempt;
    this.#worker = worker;
    this.#permit = permit;
    this.#isProbe = isProbe;
    this.#session = session;
    this.#heir = heir;
    this.#onRead = onRead;
    if (session !== null) learners.sessions.begin(session);
    const { denials, clock } = learners;
    if (denials.size > 0 && attempt.askedAs !== null) denials.begun(worker.id, attempt.askedAs, clock.now());
    worker.inFlight++;
    this.#isShared = learners.shared.begin(call.model);
    this.#held = learners.inHand.begin(worker, attempt, call);
  }

  onBegun(underway: Underway): void {
    this.#held.underway = underway;
  }

  onSent(): void {
    if (!this.#isUnanswered) this.#worker.unanswered++;
    this.#isUnanswered = true;
  }

  onFirstByte(): void {
    this.#heard();
    this.#onRead?.();
    this.#noteAnswer();
    this.#call.journey.phase = 'stream';
    const { pace } = this.#worker;
    if (pace && this.#call.peek.stream) {
      const { firstByteAt, sentAt } = this.#attempt;
      if (firstByteAt !== null && sentAt !== null) pace.answered(firstByteAt - sentAt, firstByteAt);
    }
    // A probe's question is whether the worker answers at all; its whole answer may take minutes.
    if (this.#isProbe) this.#permit.succeeded(this.#learners.clock.now());
  }

  onDied(silent: boolean): void {
    const { clock, losses, suspects } = this.#learners;
    const now = clock.now();
    const { life } = this.#attempt;
    const worker = this.#worker;
    losses.record(worker, life, now);
    suspects.record(this.#call.body.bytes, life ?? worker, silent, now, (at) => witness(worker, life, now, at));
  }

  onBrokenOff(): void {
    const { clock, suspects } = this.#learners;
    const suspect = suspects.keyOf(this.#call.body.bytes);
    const { life } = this.#attempt;
    const worker = this.#worker;
    // Whether it died of it others will have said by then: its supervisor, its health check.
    clock.after(NOTICE_MS, () => {
      if (worker.life !== life) suspects.recordKey(suspect, life ?? worker, false, clock.now(), () => endOf(worker, life));
    });
  }

  onBroken(error: GatewayError): boolean {
    return this.#heir?.takeUp(error, this.#attempt) === true;
  }

  onSettled(verdict: Verdict): void {
    const { clock, events, blame, suspects, denials } = this.#learners;
    const { failure, askedAs, sentAt } = this.#attempt;
    const { bytes } = this.#call.body;
    const { id } = this.#worker;
    this.#close();
    this.#noteAnswer();
    const now = clock.now();
    if (verdict.kind === 'success') {
      this.#permit.succeeded(now);
      if (failure === null) blame.answered(id, now);
      if (denials.size > 0 && failure === null && askedAs !== null && sentAt !== null) denials.answered(id, askedAs, sentAt);
      suspects.clear(bytes);
    } else if (verdict.kind === 'neutral' || (verdict.doubtful && !blame.isWorkers(id, bytes, now))) this.#permit.neutral();
    else this.#permit.failed(now, verdict.reason, verdict.doubtful);
    this.#worker.pace?.ended(
      verdict.kind === 'failure' || failure === 'busy' || (failure === 'unserved' && this.#worker.view.gateway == null),
      now,
    );
    events.attemptEnded(this.#call, this.#attempt);
    this.#heir?.countIn(this.#attempt);
  }

  /** Our own fault: it must not cost the worker a place, nor the breaker its probe. */
  forget(): void {
    this.#close();
    this.#permit.neutral();
  }

  #close(): void {
    this.#heard();
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#onRead?.();
    this.#worker.inFlight--;
    if (this.#isShared) this.#learners.shared.end(this.#call.model);
    this.#learners.inHand.end(this.#held);
    if (this.#session !== null) this.#learners.sessions.end(this.#session, this.#learners.clock.now());
  }

  #heard(): void {
    if (this.#isUnanswered) this.#worker.unanswered--;
    this.#isUnanswered = false;
  }

  #noteAnswer(): void {
    const { answerId } = this.#attempt;
    if (answerId !== null) this.#learners.answers.note(answerId, this.#worker, this.#call.model, nameOf(this.#call.principal));
  }
}

/** What the end of a worker's life, seen at `sinceMs`, says of a request that it took, as known at `now`. */
function witness(worker: Worker, life: WorkerLife | null, sinceMs: number, now: number): Witness {
  return livesOn(worker, life, sinceMs, now) ? 'none' : endOf(worker, life);
}

/** What is killed from outside, or ends without a word, may have ended by no request; until its supervisor has spoken, so may any. */
function endOf({ view }: Worker, life: WorkerLife | null): Witness {
  if (life?.endedBy === 'stopped') return 'none';
  if (life?.endedBy === 'killed') return 'weak';
  const willBeTold = life !== null && life.endedBy === undefined && typeof view.logFile === 'string';
  return willBeTold ? 'weak' : 'strong';
}

/** Whether it is known at `now` that a worker which broke off at `sinceMs` goes on in the same life: others will have said so by then. */
function livesOn({ life, load }: Worker, then: WorkerLife | null, sinceMs: number, now: number): boolean {
  if (then === null || life !== then || now - sinceMs < NOTICE_MS) return false;
  return load.scrapedAt === null || load.scrapedAt > sinceMs;
}

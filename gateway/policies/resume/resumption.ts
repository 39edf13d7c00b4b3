import type { Attempt, FailureCause } from '../../core/attempt.ts';
import type { Call, Resumes } from '../../core/call.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Events } from '../../core/events.ts';
import type { Outcome, Reply } from '../../core/reply.ts';
import type { Worker, WorkerDirectory, WorkerLife } from '../../core/worker.ts';
import { errorEvent } from '../../openai/error-body.ts';
import { ContinuedBody } from './continued-body.ts';
import { firstLeg, laterLeg } from './leg-events.ts';
import { firstBody, nextBody } from './next-body.ts';
import type { NotResumed } from './refusals.ts';
import { resumableRequest, type ResumableRequest } from './resumable-request.ts';
import { Said, type Seam } from './said.ts';

/** How long a stream without a worker waits for one that may take it up. An engine takes longer than that to start. */
const PATIENCE_MS = 5_000;
/** A worker may become fit without anybody saying so: its breaker opens by time. */
const LOOK_MS = 250;
/** Engines that tell token ids and take them, and go on from a message. */
const ENGINES: ReadonlySet<string | null> = new Set(['vllm', 'sim']);
const KEEP_ALIVE = ': keep-alive\n\n';

/** What came of asking a worker, as the relay says it. */
type Answer = { readonly kind: 'replied'; readonly reply: Reply } | { readonly kind: 'failed'; readonly cause: FailureCause };

/** What a resumption needs of those who dispatch. `C`: a worker that was chosen, and what goes with it. */
export interface ResumeDuties<C> {
  readonly clock: Clock;
  readonly events: Pick<Events, 'resumeEnded'>;
  readonly directory: Pick<WorkerDirectory, 'onChange'>;
  /** How many other workers a stream may go on at. */
  readonly most: number;
  /** 0: no comments. */
  readonly keepAliveMs: number;
  readonly isDraining: () => boolean;
  /** @returns whether the call's body may be sent to another worker. @throws when it is known to kill them */
  readonly mayGoOn: () => boolean;
  /** @throws GatewayError where no worker is fit at the moment. `tried`: those that are not to be asked again */
  readonly choose: (tried: readonly Worker[], error: GatewayError) => C;
  readonly ask: (chosen: C) => Promise<Answer>;
}

/**
 * The stream of one call, at as many workers as it takes. While the first of them answers it notes what comes; when that is lost it picks
 * another and goes on there, and the client sees one answer. The call stays one: its place, its deadline and its books are those that it had.
 */
export class Resumption<C> {
  readonly #call: Call;
  readonly #request: ResumableRequest | null;
  readonly #duties: ResumeDuties<C>;
  readonly #said: Said;
  /** Why it never goes on; null: nothing speaks against it yet. */
  #refusal: NotResumed | null;
  readonly #asked: { readonly worker: Worker; readonly life: WorkerLife | null }[] = [];
  #body: ContinuedBody | null = null;
  #reply: Reply | null = null;
  /** From where the present worker has gone on; null: from the beginning. */
  #seam: Seam | null = null;
  /** Workers that were asked to go on. */
  #legs = 0;
  #isBusy = false;
  /** A worker has been lost, and nobody has seen to it. */
  #lost: GatewayError | null = null;
  #broken: GatewayError | null = null;
  #firstByteAt: number | null = null;

  constructor(call: Call, duties: ResumeDuties<C>) {
    const request = resumableRequest(call);
    this.#call = call;
    this.#duties = duties;
    this.#request = typeof request === 'string' ? null : request;
    this.#refusal = typeof request === 'string' ? request : null;
    this.#said = new Said(this.#request?.kind ?? 'chat');
  }

  /** The body for a worker that is about to be asked. `bytes`: what it would get otherwise */
  bodyFor(worker: Worker, bytes: Buffer): Buffer {
    this.#asked.push({ worker, life: worker.life });
    if (this.#request === null) return bytes;
    if (this.#seam !== null) return nextBody(bytes, this.#request, this.#said, this.#seam);
    this.#refusal = ENGINES.has(worker.view.engine) ? null : 'engine';
    return this.#refusal === null ? firstBody(bytes) : bytes;
  }

  /** The first worker has begun to answer. @returns the reply that the client gets */
  begin(reply: Reply): Reply {
    if (this.#refusal !== null || reply.body.kind !== 'pushed') return reply;
    this.#reply = reply;
    this.#firstByteAt = this.#call.attempts.at(-1)!.firstByteAt;
    const said = this.#said;
    this.#body = new ContinuedBody(this.#call.journey, reply.body.start, firstLeg(said), () => said.noteUnreadable());
    if (this.#lost !== null) void this.#seeToIt();
    return { ...reply, body: { kind: 'pushed', start: this.#body.start }, outcome: () => this.#outcome() };
  }

  /** A worker is lost in the middle of its answer. @returns whether this goes on with it, or ends it */
  takeUp(error: GatewayError, { finishReason }: Attempt): boolean {
    if (this.#call.cancellation.cancelled || error.row.origin === 'client' || error.kind === 'worker_busy') return false;
    if (finishReason !== null) this.#refusal ??= 'finished';
    // What its events say against it is known only when the client has them.
    if (this.#refusal !== null) {
      this.#note(this.#refusal);
      return false;
    }
    this.#lost = error;
    if (this.#body !== null && !this.#isBusy) void this.#seeToIt();
    return true;
  }

  /** A later worker is done: what came before it belongs to the same answer. */
  countIn(attempt: Attempt): void {
    if (this.#seam === null) return;
    const { tokens } = this.#seam;
    if (this.#said.promptTokens > 0) attempt.inputTokens = this.#said.promptTokens;
    if (attempt.outputTokens !== null) attempt.outputTokens += tokens;
    attempt.chunks += tokens;
  }

  #outcome(): Outcome {
    if (this.#broken !== null) return { kind: 'broken', error: this.#broken };
    // Between two workers nothing is decided: it is the client then who has left.
    return this.#isBusy ? { kind: 'complete', status: 200 } : this.#reply!.outcome();
  }

  async #seeToIt(): Promise<void> {
    this.#isBusy = true;
    const comments = this.#comments();
    try {
      await this.#untilStarted();
      while (this.#lost !== null) {
        const error = this.#lost;
        this.#lost = null;
        const end = await this.#goOn(error);
        if (end !== null) return this.#end(error, end);
      }
    } catch (fault) {
      this.#end(new GatewayError('internal', 'The gateway failed to go on with the answer.', { cause: fault }), 'failed_again');
    } finally {
      this.#isBusy = false;
      comments.cancel();
    }
  }

  /** @returns null once another worker goes on, or why none does */
  async #goOn(error: GatewayError): Promise<NotResumed | null> {
    const { clock, most } = this.#duties;
    const from = clock.now();
    for (let tries = 0; ; tries++) {
      const seam = this.#said.seam();
      const refusal = this.#refusal ?? (typeof seam === 'string' ? seam : this.#circumstances());
      if (refusal !== null) return refusal;
      if (this.#legs >= most) return tries === 0 ? 'most_resumes' : 'failed_again';
      const chosen = await this.#choose(error, from + PATIENCE_MS);
      if (typeof chosen === 'string') return tries > 0 && chosen === 'no_worker' ? 'failed_again' : chosen;
      this.#legs++;
      this.#seam = seam as Seam;
      const result = await this.#duties.ask(chosen.chosen);
      if (result.kind === 'replied') {
        if (this.#call.cancellation.cancelled) return this.#circumstances();
        this.#takeOver(result.reply, seam as Seam, from);
        return null;
      }
      if (result.cause === 'final' && !this.#call.cancellation.cancelled) return 'failed_again';
    }
  }

  #takeOver(reply: Reply, seam: Seam, from: number): void {
    const { journey, attempts } = this.#call;
    const said = this.#said;
    const worker = attempts.at(-1)!.worker;
    const identity = said.identity;
    if (reply.body.kind !== 'pushed') throw new Error('a stream was answered in one piece');
    said.cutAt(seam);
    this.#reply = reply;
    this.#body!.write(`: resumed worker=${worker} at=${seam.tokens}\n\n`);
    const resumes = this.#note(null);
    resumes.gaps.push({ from, to: this.#duties.clock.now(), worker, tokens: seam.tokens });
    journey.phase = 'stream';
    this.#body!.goOn(reply.body.start, identity === null ? firstLeg(said) : laterLeg(said, identity, seam));
  }

  #circumstances(): NotResumed | null {
    const { isDraining, mayGoOn } = this.#duties;
    const { reason } = this.#call.cancellation;
    if (reason) return reason.kind === 'client_disconnected' ? 'client_gone' : reason.kind === 'draining' ? 'draining' : 'deadline';
    if (isDraining()) return 'draining';
    try {
      return mayGoOn() ? null : 'suspect';
    } catch (thrown) {
      if (!(thrown instanceof GatewayError)) throw thrown;
      return 'suspect';
    }
  }

  /** Waits for a worker that may be asked, but not long. */
  async #choose(error: GatewayError, until: number): Promise<{ readonly chosen: C } | NotResumed> {
    const { clock, choose } = this.#duties;
    for (;;) {
      const refusal = this.#circumstances();
      if (refusal !== null) return refusal;
      try {
        const tried = this.#asked.filter(({ worker, life }) => worker.life === life).map(({ worker }) => worker);
        return { chosen: choose(tried, error) };
      } catch (thrown) {
        if (!(thrown instanceof GatewayError)) throw thrown;
      }
      const leftMs = until - clock.now();
      if (leftMs <= 0) return 'no_worker';
      await this.#news(Math.min(leftMs, LOOK_MS));
    }
  }

  /** Resolves when something has changed, or after so long. */
  #news(ms: number): Promise<void> {
    const { clock, directory } = this.#duties;
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        offChange();
        offCancel();
        resolve();
      };
      const timer = clock.after(ms, end);
      const offChange = directory.onChange(end);
      // Whoever is cancelled by now is seen to without any news.
      const offCancel = this.#call.cancellation.onCancel(() => clock.after(0, end));
    });
  }

  /** A client that leaves before its answer has begun is never there. */
  async #untilStarted(): Promise<void> {
    let offCancel = (): void => {};
    const cancelled = new Promise<void>((resolve) => (offCancel = this.#call.cancellation.onCancel(() => resolve())));
    await Promise.race([this.#body!.started, cancelled]);
    offCancel();
  }

  /** While no worker says anything. */
  #comments(): Timer {
    const { clock, keepAliveMs } = this.#duties;
    if (keepAliveMs === 0) return { cancel: () => {} };
    let timer = clock.after(keepAliveMs, tell);
    const body = this.#body!;
    function tell(): void {
      body.comment(KEEP_ALIVE);
      timer = clock.after(keepAliveMs, tell);
    }
    return { cancel: () => timer.cancel() };
  }

  #end(error: GatewayError, why: NotResumed): void {
    const { reason } = this.#call.cancellation;
    this.#note(why);
    if (reason?.kind === 'client_disconnected') return;
    this.#broken = reason ?? error;
    if (!this.#body!.isStarted) return;
    this.#body!.write(errorEvent(this.#broken, this.#call.route.dialect, 0));
    this.#body!.end();
  }

  /** One outcome for each worker that was lost. */
  #note(refused: NotResumed | null): Resumes {
    const call = this.#call;
    const resumes = (call.journey.resume ??= { times: 0, refused: null, firstByteAt: this.#firstByteAt, gaps: [] });
    if (refused === null) resumes.times++;
    else resumes.refused = refused;
    this.#duties.events.resumeEnded(call, refused ?? 'resumed');
    return resumes;
  }
}

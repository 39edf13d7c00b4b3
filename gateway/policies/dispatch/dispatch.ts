import { type FailureCause, newAttempt } from '../../core/attempt.ts';
import type { Call } from '../../core/call.ts';
import type { Handler } from '../../core/handler.ts';
import { GatewayError } from '../../core/errors.ts';
import type { SessionFigures } from '../../core/events.ts';
import type { Reply } from '../../core/reply.ts';
import type { UpstreamRequest } from '../../core/transport.ts';
import type { Worker } from '../../core/worker.ts';
import { adapterOf } from '../../engines/adapters.ts';
import { Losses, LostError } from '../lost/loss.ts';
import type { AttemptResult } from '../relay/attempt-result.ts';
import { bodyFor } from '../relay/engine-priority.ts';
import { nameAt, namedBody } from '../relay/named-body.ts';
import { relay } from '../relay/relay.ts';
import { Resumption } from '../resume/resumption.ts';
import { AnswerPlaces } from './answer-places.ts';
import { AskedForRest } from './asked-for-rest.ts';
import { AttemptBooks, type Learners } from './attempt-books.ts';
import { Blame } from './blame.ts';
import { Breakers } from './breakers.ts';
import { candidates, type Filter, filters } from './choice.ts';
import type { CircuitBreaker, Finding, Permit } from './circuit-breaker.ts';
import type { DispatchContext } from './dispatch-context.ts';
import { GroupSplit } from './group-split.ts';
import { InHand } from '../in-hand/in-hand.ts';
import { LoadBalancer } from './load-balancer.ts';
import { Prefixes } from './prefixes.ts';
import { attemptsThatCount, costNothing, isLoss, RetryBudget } from './retry-budget.ts';
import { type Session, Sessions } from './sessions.ts';
import { SharedPlaces } from './shared-places.ts';
import { SignsOfLife } from '../in-hand/signs-of-life.ts';
import { SilencedCalls } from '../in-hand/silenced-calls.ts';
import { takeBackStuck } from '../in-hand/stuck-calls.ts';
import { Suspects } from './suspects.ts';
import { Denials } from './denials.ts';

/** What went wrong before, where something did. */
interface Failed {
  readonly error: GatewayError;
  readonly cause: FailureCause;
  /** At a worker of a group that is on trial. */
  readonly isOnTrial: boolean;
}

interface Chosen {
  readonly worker: Worker;
  readonly permit: Permit;
  /** The conversation that the call belongs to; null: it is not kept anywhere. */
  readonly session: Session | null;
  /** To be called when the worker begins to answer, or never will; null: nobody counts what it has to read. */
  readonly onRead: (() => void) | null;
  /** It is of a group that is on trial as the call goes there; what is decided of the group meanwhile is not the call's fault. */
  readonly isOnTrial: boolean;
}

/** The one decision: leave out → balance → relay, repeated for each attempt. */
export class Dispatch {
  readonly #context: DispatchContext;
  readonly #balancer: LoadBalancer;
  readonly #breakers: Breakers;
  readonly #filters: readonly Filter[];
  readonly #budget = new RetryBudget();
  readonly #suspects = new Suspects();
  readonly #losses = new Losses();
  readonly #blame = new Blame();
  readonly #inHand = new InHand();
  readonly #signs = new SignsOfLife(this.#inHand);
  readonly #rest = new AskedForRest();
  readonly #denials = new Denials();
  readonly #silenced: SilencedCalls;
  readonly #learners: Learners;
  readonly answers: AnswerPlaces;
  readonly groups: GroupSplit;
  readonly shared: SharedPlaces;
  readonly prefixes: Prefixes;
  readonly #sessions: Sessions;
  readonly #routed = new Map<string, number>();

  constructor(context: DispatchContext) {
    this.#context = context;
    this.#balancer = new LoadBalancer(context.random);
    this.#breakers = new Breakers(context, this.#signs);
    this.#silenced = new SilencedCalls(this.#inHand, context.clock);
    this.answers = new AnswerPlaces(() => context.directory.workers(), context.kin?.stored);
    this.#sessions = new Sessions({
      clock: context.clock,
      settings: () => (context.balancer().affinity === 'session' ? context.sessions() : null),
      workers: () => context.directory.workers(),
      onEnded: (reason, count) => context.events.sessionsEnded(reason, count),
    });
    this.shared = new SharedPlaces(context.directory);
    this.prefixes = new Prefixes(context, this.#balancer);
    this.#learners = {
      ...{ clock: context.clock, events: context.events, answers: this.answers },
      ...{ suspects: this.#suspects, losses: this.#losses, blame: this.#blame, inHand: this.#inHand },
      ...{ sessions: this.#sessions, shared: this.shared, denials: this.#denials },
    };
    this.groups = context.groups ?? new GroupSplit(context.random, context.directory);
    this.#filters = filters(context, this.#breakers, this.#losses, this.#rest, this.#denials, this.groups, (call) => this.#keyOf(call));
    context.directory.onChange(() => this.#forgetWorkers());
  }

  get breakers(): ReadonlyMap<string, CircuitBreaker> {
    return this.#breakers.all;
  }

  /** Calls sent to each worker. */
  get routed(): ReadonlyMap<string, number> {
    return this.#routed;
  }

  /** Conversations that are kept at workers. */
  get sessions(): SessionFigures {
    return this.#sessions.figures;
  }

  /** What another process has found out about a worker. */
  follow(worker: string, finding: Finding): void {
    this.#breakers.of(worker).follow(finding, this.#context.clock.now());
  }

  /** Looks after calls that wait in vain: at a worker that stands still, or that is gone without a word. Now and then. */
  lookAfterWaiting(): void {
    takeBackStuck(this.#inHand, this.#context.directory);
    this.#silenced.look();
  }

  /** Takes new settings over into what there is. */
  configure(): void {
    this.#breakers.configure();
    this.#sessions.configure();
    this.prefixes.configure();
  }

  /** Frees its timer. */
  close(): void {
    this.#sessions.close();
    this.prefixes.close();
  }

  handler(): Handler {
    return async (call) => {
      const { bytes } = call.body;
      const trial = this.#suspects.enter(bytes, this.#context.clock.now());
      try {
        return await this.#answer(call, bytes);
      } finally {
        trial?.release();
      }
    };
  }

  async #answer(call: Call, bytes: Buffer): Promise<Reply> {
    const { clock, events } = this.#context;
    const { max_attempts, budget_ratio } = this.#context.retry();
    const resumption = this.#resumption(call);
    const isKnownToFail = this.#blame.hasFailedBefore(bytes, clock.now());
    const tried: Worker[] = [];
    let failed: Failed | null = null;
    let onTrial = 0;
    for (;;) {
      call.cancellation.throwIfCancelled();
      const chosen = this.#choose(call, tried, failed);
      const { worker, isOnTrial } = chosen;
      if (failed) events.retried(call, failed.cause);
      if (call.attempts.length === 0) this.#budget.deposit(budget_ratio);
      tried.push(worker);
      const { life } = worker;
      const result = await this.#ask(call, chosen, resumption);
      if (result.kind === 'replied') return resumption === null ? result.reply : resumption.begin(result.reply);
      const { cause, error } = result;
      if (cause === 'final') throw error;
      // What is on trial may cost a call time, and nothing else.
      if (isOnTrial) onTrial++;
      if (cause === 'failed' && isKnownToFail && !isOnTrial) throw error;
      if (cause === 'died' && !this.#suspects.mayGoOn(bytes, clock.now())) throw error;
      if (attemptsThatCount(call) >= max_attempts + onTrial) throw error;
      // Whatever a worker fails with that is on its way out, its next life may do better.
      const isLost = isLoss(cause) || worker.life !== life;
      failed = { cause, isOnTrial, error: isLost ? new LostError(error, worker, life, cause) : error };
    }
  }

  /** Asks one worker, once more where it had closed a kept connection, and learns what it says of itself. */
  async #ask(call: Call, chosen: Chosen, resumption: Resumption<Chosen> | null): Promise<AttemptResult> {
    const { clock, onStopping } = this.#context;
    const { worker } = chosen;
    let result = await this.#attempt(call, chosen, chosen.permit, resumption);
    if (result.kind === 'failed' && result.cause === 'stale') {
      // The worker closed a kept connection as we used it: it never saw the request, and a fresh connection tells more.
      call.cancellation.throwIfCancelled();
      const again = this.#breakers.of(worker.id).acquire(clock.now());
      if (again) result = await this.#attempt(call, chosen, again, resumption);
    }
    if (result.kind === 'replied') return result;
    const { retryAfterMs = 0 } = result.error.details;
    if (result.cause === 'busy' && retryAfterMs > 0)
      this.#rest.note(worker, call.model, retryAfterMs, this.#suspects.keyOf(call.body.bytes), clock.now());
    if (result.cause === 'stopping') onStopping(worker);
    if (result.cause === 'unserved') this.#noteUnserved(call, worker);
    return result;
  }

  #noteUnserved({ body, attempts }: Call, worker: Worker): void {
    const model = attempts.at(-1)!.askedAs!;
    // What a gateway has not for one call it may have for the next: its list tells for which models it has nobody, and when it has again.
    const isNews =
      worker.view.gateway == null && this.#denials.note(worker, model, this.#suspects.keyOf(body.bytes), this.#context.clock.now());
    this.#context.onUnserved?.(worker, model, isNews);
  }

  /** null: nobody wants the call's stream to go on, or it has none. */
  #resumption(call: Call): Resumption<Chosen> | null {
    const { clock, events, directory, resumes, isDraining = () => false, relay: settings } = this.#context;
    if (resumes === undefined || !call.peek.stream) return null;
    const most = resumes(call.model);
    if (most === 0) return null;
    const { bytes } = call.body;
    const resumption: Resumption<Chosen> = new Resumption(call, {
      ...{ clock, events, directory, most, isDraining },
      keepAliveMs: settings().keep_alive_ms,
      mayGoOn: () => this.#suspects.mayGoOn(bytes, clock.now()),
      choose: (tried, error) => this.#choose(call, tried, { cause: 'died', isOnTrial: false, error }),
      ask: (chosen) => this.#ask(call, chosen, resumption),
    });
    return resumption;
  }

  /** @throws when no worker may be asked: with the last attempt's failure, if there was one. */
  #choose(call: Call, tried: readonly Worker[], failed: Failed | null): Chosen {
    const now = this.#context.clock.now();
    const workers = candidates(this.#filters, { call, tried, now });
    if (workers instanceof GatewayError) throw failed?.error ?? workers;
    // A call that its worker never had, or lost by dying, is not what a budget guards against: every worker is asked at most once.
    if (failed && !failed.isOnTrial && !costNothing(failed.cause) && !this.#budget.withdraw()) throw failed.error;
    const settings = this.#context.balancer();
    const key = settings.affinity === 'session' ? this.#sessions.keyOf(call) : null;
    const known = key === null ? null : this.#sessions.find(key, now);
    const route = this.prefixes.route(call, workers, now);
    const worker = route?.worker ?? this.#balancer.choose(workers, settings, key, now, known?.worker);
    // Its breaker has just said that it would admit a call, and nothing has happened since.
    const permit = this.#breakers.of(worker.id).acquire(now)!;
    const session = key === null ? null : this.#sessions.place(key, known, worker, now);
    const onRead = route && this.prefixes.place(call, route);
    return { worker, permit, session, onRead, isOnTrial: this.groups.isOnTrial(worker) };
  }

  /** What calls that belong together share, of which a group of workers has all: of prompts it is how they begin. */
  #keyOf(call: Call): string | null {
    const settings = this.#context.balancer();
    if (settings.affinity === 'session') return this.#sessions.keyOf(call);
    return settings.affinity === 'prefix' && call.peek.promptHead !== '' ? call.peek.promptHead : null;
  }

  async #attempt(call: Call, chosen: Chosen, permit: Permit, resumption: Resumption<Chosen> | null): Promise<AttemptResult> {
    const { worker, session, onRead } = chosen;
    const { clock, events, relay: settings } = this.#context;
    const askedAs = call.route.stored ? null : nameAt(call, worker, this.#context.directory);
    const attempt = newAttempt(worker.id, worker.life, worker.load.bornAt, askedAs);
    call.attempts.push(attempt);
    call.journey.phase = 'upstream';
    this.#routed.set(worker.id, (this.#routed.get(worker.id) ?? 0) + 1);
    events.routed(call, worker.id);
    const isProbe = this.#breakers.of(worker.id).state === 'half_open';
    const books = new AttemptBooks(this.#learners, { call, attempt, worker }, permit, isProbe, session, onRead, resumption);
    try {
      const result = await relay(call, attempt, worker, this.#request(call, worker, resumption), clock, settings(), books);
      if (attempt.failure === 'unsent') this.#losses.record(worker, attempt.life, clock.now());
      return result;
    } catch (error) {
      books.forget();
      throw error;
    }
  }

  #request(call: Call, worker: Worker, resumption: Resumption<Chosen> | null): UpstreamRequest {
    const { body, route } = call;
    const headers: Record<string, string> = { ...call.forward, 'x-request-id': this.#context.newRequestId() };
    if (worker.view.gateway != null) Object.assign(headers, this.#context.toGateway(call));
    if (call.trace !== null) headers['traceparent'] = call.trace.beginAttempt(this.#context.clock.now());
    if (route.stored) return { method: route.stored, path: call.only?.target ?? route.path, headers, body: null };
    headers['content-type'] = body.contentType;
    const path = adapterOf(worker.view).routes?.get(route.path) ?? route.path;
    const own = bodyFor(call, worker, namedBody(call, worker, this.#context.directory));
    const sent = resumption === null ? own : { bytes: resumption.bodyFor(worker, own.bytes) };
    return { method: 'POST', path, headers, body: sent };
  }

  #forgetWorkers(): void {
    const present = new Set(this.#context.directory.workers().map(({ id }) => id));
    for (const known of [this.#routed, this.#losses, this.#blame, this.#inHand, this.#signs, this.#rest]) {
      for (const id of known.keys()) if (!present.has(id)) known.delete(id);
    }
    this.#denials.forget(this.#context.directory.workers());
    this.#sessions.forgetEnded();
    this.prefixes.forgetEnded();
  }
}

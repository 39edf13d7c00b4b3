import type { Attempt } from '../core/attempt.ts';
import type { Call } from '../core/call.ts';
import { type Clock, repeat, type Timer } from '../core/clock.ts';
import type { BreakerState, CanaryChange, Events } from '../core/events.ts';
import { groupOf, MAIN_GROUP, type Worker, type WorkerDirectory } from '../core/worker.ts';
import type { GroupSplit } from '../policies/dispatch/group-split.ts';
import { faultsOf, SURE } from './judge.ts';
import type { CanaryOrder, CanaryStart } from './order.ts';
import { type Observed, Sample } from './sample.ts';
import { type CanaryStatus, figuresOf } from './status.ts';

interface CanaryContext {
  readonly clock: Clock;
  readonly events: Pick<Events, 'canaryChanged'>;
  readonly directory: WorkerDirectory;
  readonly split: GroupSplit;
  readonly breakers: () => ReadonlyMap<string, { readonly state: BreakerState }>;
  /** Whether it is to hear of calls from now on. */
  readonly watch: (isOn: boolean) => void;
  /** Several processes are one gateway, none of which sees all calls. */
  readonly isOneOfSeveral: boolean;
}

const LOOK_MS = 1_000;
/** So many calls must have ended before anything is concluded while a step runs. */
const EARLY_CALLS = 10;
/** Looks in a row at which none of its workers may be asked. */
const UNFIT_LOOKS = 3;
/** A step that has too few calls goes on for so many times its length. */
const LONGEST_STEPS = 10;
const MOST_HISTORY = 100;
const NOBODY: Observed = { ok: 0, failed: 0, streams: 0, mute: 0, ttft: [], tpot: [], e2e: [], unheard: [], unended: [] };

/** A canary that runs. */
interface Run extends CanaryStart {
  step: number;
  since: number;
  own: Sample;
  others: Sample;
  /** What the others came to in the last step in which they had enough: there are none beside it at 100 %. */
  lastOthers: Observed;
  unfitLooks: number;
}

/** What came of an order: a conflict says why it was not followed. */
export type CanaryAnswer =
  | { readonly kind: 'accepted'; readonly status: CanaryStatus }
  | { readonly kind: 'conflict'; readonly message: string };

/**
 * Lets a group of workers have a growing share of the calls, watches what comes of them beside those of the others, and gives it all of
 * them or none. What it decides holds until it is told otherwise, the list of workers changes, or the process ends: what serves is for the
 * settings to say.
 */
export class Canary {
  readonly #context: CanaryContext;
  #run: Run | null = null;
  #timer: Timer | null = null;
  #base = MAIN_GROUP;
  #last: { readonly state: CanaryStatus['state']; readonly group: string | null; readonly message: string } = {
    state: 'none',
    group: null,
    message: 'No canary has run since this gateway started.',
  };
  #history: { readonly at: string; readonly message: string }[] = [];

  constructor(context: CanaryContext) {
    this.#context = context;
  }

  // === what it hears of every call ===

  routed(call: Call, worker: string): void {
    if (this.#run === null) return;
    this.#sampleOf(this.#run, worker)?.begun(call, this.#context.clock.now());
  }

  attemptEnded(call: Call, attempt: Attempt): void {
    if (this.#run === null) return;
    // Where it began: its worker may have gone since, or belong to others.
    for (const sample of [this.#run.own, this.#run.others]) sample.ended(call, attempt, this.#context.clock.now());
  }

  /** What a call leaves open that was given up in the middle of an attempt is nothing that hangs. */
  requestEnded(call: Call): void {
    if (this.#run === null) return;
    for (const sample of [this.#run.own, this.#run.others]) sample.dropped(call);
  }

  // === what it is told ===

  obey(order: CanaryOrder): CanaryAnswer {
    switch (order.action) {
      case 'status':
        return { kind: 'accepted', status: this.status() };
      case 'start':
        return this.#start(order);
      case 'promote':
        return this.#promoteNow();
      case 'abort':
        return this.#abort();
    }
  }

  /** The list of workers has been read anew: who gets the calls is the settings' to say from now on, and what ran was about other workers. */
  workersChanged(): void {
    const group = this.#run?.group ?? (this.#base === MAIN_GROUP ? null : this.#base);
    if (group === null) return;
    this.#base = MAIN_GROUP;
    this.#end('aborted', group, `The list of workers has changed, so it decides again: what is of ${MAIN_GROUP} gets the calls.`);
  }

  status(): CanaryStatus {
    const run = this.#run;
    const history = [...this.#history];
    if (run === null) {
      const { state, group, message } = this.#last;
      return { state, group, serving: this.#base, percent: 0, step: null, canary: null, main: null, message, history };
    }
    const now = this.#context.clock.now();
    const percent = run.steps[run.step]!;
    return {
      ...{ state: 'running', group: run.group, serving: this.#base, percent },
      step: {
        ...{ number: run.step + 1, of: run.steps.length, seconds: run.stepSeconds, min_calls: run.criteria.canary.min_calls },
        elapsed_seconds: Math.round((now - run.since) / 1000),
      },
      ...{ canary: figuresOf(run.own.observed(now)), main: figuresOf(run.others.observed(now)) },
      ...{ message: `${percent} % of the calls go to ${run.group}, the others to ${this.#base}.`, history },
    };
  }

  close(): void {
    this.#timer?.cancel();
    this.#run = null;
  }

  // === how it goes on ===

  #start(order: CanaryStart): CanaryAnswer {
    const { clock, directory, isOneOfSeveral } = this.#context;
    const { group, steps, stepSeconds } = order;
    if (isOneOfSeveral)
      return conflict('A canary needs one process that sees all calls, and several serve here: set server.processes to 1.');
    if (this.#run !== null)
      return conflict(`A canary runs already, with ${this.#run.group}: "headgate canary abort" ends it, "headgate canary promote" too.`);
    if (group === this.#base) return conflict(`The calls go to ${group} already.`);
    const workers = directory.workers();
    const groups = [...new Set(workers.map(groupOf))];
    if (!groups.includes(group))
      return conflict(
        `No worker is of group ${group}; there is ${groups.join(', ') || 'none'}. Write group: ${group} beside its url in workers.`,
      );
    if (!groups.includes(this.#base)) return conflict(`No worker is of group ${this.#base}, so there is nobody to hold ${group} against.`);
    if (!this.#isFit(group)) return conflict(`No worker of ${group} is ready yet: "headgate status" tells why.`);
    this.#history = [];
    const [own, others] = [new Sample(), new Sample()];
    this.#run = { ...order, step: 0, since: clock.now(), own, others, lastOthers: NOBODY, unfitLooks: 0 };
    this.#context.watch(true);
    this.#timer = repeat(clock, LOOK_MS, () => this.#look());
    this.#divide('started', `${group} is tried with ${steps[0]} % of the calls, for ${stepSeconds} s at least.`);
    return { kind: 'accepted', status: this.status() };
  }

  #promoteNow(): CanaryAnswer {
    if (this.#run === null) return conflict('No canary runs that could be promoted.');
    this.#promote('an operator has said so');
    return { kind: 'accepted', status: this.status() };
  }

  #abort(): CanaryAnswer {
    const group = this.#run?.group ?? (this.#base === MAIN_GROUP ? null : this.#base);
    if (group === null) return conflict('No canary runs, and none has been promoted.');
    if (this.#run === null) this.#base = MAIN_GROUP;
    this.#end('aborted', group, `Ended on an operator’s word; all calls go to ${this.#base}.`);
    return { kind: 'accepted', status: this.status() };
  }

  #look(): void {
    const run = this.#run;
    if (run === null) return;
    const { clock } = this.#context;
    const { criteria, stepSeconds, group } = run;
    run.unfitLooks = this.#isFit(group) ? 0 : run.unfitLooks + 1;
    const now = clock.now();
    const own = run.own.observed(now);
    const calls = own.ok + own.failed;
    if (run.unfitLooks >= UNFIT_LOOKS)
      return this.#rollBack(
        `none of its workers may be asked: each is away, or was left alone by its breaker after failures (${own.failed} of ${calls} calls failed).`,
      );
    const beside = run.others.observed(now);
    const hasEnough = beside.ok + beside.failed >= criteria.canary.min_calls;
    const others = hasEnough ? beside : run.lastOthers;
    const elapsed = (now - run.since) / 1000;
    const isOver = elapsed >= stepSeconds && calls >= criteria.canary.min_calls;
    // What hangs has not ended, and counts with what has waited for too long.
    if (isOver || calls + own.unended.length >= EARLY_CALLS) {
      const [fault] = faultsOf(own, others, criteria, isOver ? SURE.atEnd : SURE.during);
      if (fault !== undefined) return this.#rollBack(fault);
    }
    if (isOver) return this.#goOn(run, hasEnough ? beside : run.lastOthers);
    if (elapsed >= stepSeconds * LONGEST_STEPS)
      this.#rollBack(`it had ${calls} calls in ${Math.round(elapsed)} s, and ${criteria.canary.min_calls} are needed to judge it.`);
  }

  #goOn(run: Run, others: Observed): void {
    const percent = run.steps[run.step + 1];
    if (percent === undefined) return this.#promote(`it kept to the criteria at each of ${run.steps.join(', ')} %`);
    run.step++;
    run.since = this.#context.clock.now();
    run.lastOthers = others;
    run.own = new Sample();
    run.others = new Sample();
    this.#divide('step', `${run.group} kept to the criteria, and is tried with ${percent} % of the calls.`);
  }

  #promote(why: string): void {
    const { group } = this.#run!;
    this.#base = group;
    this.#end(
      'promoted',
      group,
      `All calls go to ${group}: ${why}. That holds until the list of workers changes or the gateway ends: give its workers group: ${MAIN_GROUP} in the settings to make it last.`,
    );
  }

  #rollBack(why: string): void {
    const { group } = this.#run!;
    this.#end(
      'rolled_back',
      group,
      `All calls go to ${this.#base} again: ${group} was rolled back. ${why[0]!.toUpperCase()}${why.slice(1)}`,
    );
  }

  #end(state: Exclude<CanaryStatus['state'], 'none' | 'running'>, group: string, message: string): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#run = null;
    this.#context.watch(false);
    this.#last = { state, group, message };
    this.#context.split.split = { base: this.#base, onTrial: null };
    this.#tell(state, group, 0, message);
  }

  #divide(result: 'started' | 'step', message: string): void {
    const { group, steps, step } = this.#run!;
    const share = steps[step]! / 100;
    this.#context.split.split = { base: this.#base, onTrial: { group, share } };
    this.#tell(result, group, share, message);
  }

  #tell(result: CanaryChange['result'], group: string, share: number, message: string): void {
    const { clock, events } = this.#context;
    this.#history.push({ at: new Date(clock.wall()).toISOString(), message });
    if (this.#history.length > MOST_HISTORY) this.#history.shift();
    events.canaryChanged({ result, group, share, message });
  }

  /** Whether any worker of the group may be asked. */
  #isFit(group: string): boolean {
    const breakers = this.#context.breakers();
    const isFit = ({ id, view }: Worker) => view.state === 'ready' && breakers.get(id)?.state !== 'open';
    return this.#context.directory.workers().some((worker) => groupOf(worker) === group && isFit(worker));
  }

  #sampleOf(run: Run, id: string): Sample | null {
    const worker = this.#context.directory.workers().find((each) => each.id === id);
    if (worker === undefined) return null;
    const group = groupOf(worker);
    return group === run.group ? run.own : group === this.#base ? run.others : null;
  }
}

function conflict(message: string): CanaryAnswer {
  return { kind: 'conflict', message };
}

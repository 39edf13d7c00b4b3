import type { Call } from '../../core/call.ts';
import type { BatchWork, Line } from './batch-work.ts';
import { allowance, Lane, toLoad } from './lane.ts';
import type { LineRun } from './line-run.ts';
import { OwnerRests } from './owner-rests.ts';
import { OthersUse } from './others-use.ts';
import { paced } from './pace.ts';
import type { RunnerParts } from './runner-parts.ts';
import { Turns } from './turns.ts';

/** Bodies of lines that run may have so much memory together. */
const MOST_BODY_BYTES = 134_217_728;

type LanesParts = Pick<RunnerParts, 'clock' | 'directory' | 'spare' | 'sharesPlaces' | 'settings'>;

/** Which line runs next: how many of each model may, and whose turn it is. */
export class Lanes {
  readonly #parts: LanesParts;
  readonly #lanes = new Map<string, Lane>();
  readonly #turns = new Turns();
  readonly rests: OwnerRests;
  readonly #others: OthersUse;
  #bodyBytes = 0;

  constructor(parts: LanesParts) {
    this.#parts = parts;
    this.rests = new OwnerRests(parts.clock, parts.sharesPlaces);
    this.#others = new OthersUse(parts.directory);
  }

  get running(): number {
    let running = 0;
    for (const { running: runs } of this.#lanes.values()) running += runs.size;
    return running;
  }

  *runs(): Iterable<LineRun> {
    for (const { running } of this.#lanes.values()) yield* running;
  }

  /** What may start now, one after the other. The caller starts each before it asks for the next. */
  *startable(works: readonly BatchWork[]): Generator<{ readonly work: BatchWork; readonly line: Line }> {
    const now = this.#parts.clock.now();
    const models = new Set(works.flatMap((work) => [...work.models()]));
    const loading = this.#modelToLoad(models, now);
    for (const model of models) {
      const lane = this.#lane(model);
      if (lane.restUntil > now || (lane.unservedSince !== null && model !== loading)) continue;
      const most = lane.unservedSince === null ? this.#allowed(model, lane) : 1;
      while (lane.running.size < most && (this.#bodyBytes < MOST_BODY_BYTES || this.running === 0)) {
        const work = this.#turns.next(works.filter((each) => each.waiting(model) > 0 && this.#mayStart(each)));
        const line = work?.next(model) ?? null;
        if (work === null || line === null) break;
        yield { work, line };
      }
    }
  }

  /** It runs in the lane of its model, until `left`. */
  entered(run: LineRun): void {
    this.#lane(run.line.model).running.add(run);
    this.#bodyBytes += run.line.row.length;
  }

  left(run: LineRun): void {
    // Its model may have got another name since.
    for (const { running } of this.#lanes.values()) if (running.delete(run)) this.#bodyBytes -= run.line.row.length;
  }

  restModel(model: string, afterMs: number): void {
    const lane = this.#lane(model);
    lane.restUntil = Math.max(lane.restUntil, this.#parts.clock.now() + afterMs);
  }

  /** A line of that model has its answer. */
  answered(model: string): void {
    this.#lane(model).answeredAt = this.#parts.clock.now();
  }

  /** Whether a line of that model has had its answer since, in monotonic ms. */
  hasAnsweredSince(model: string, at: number): boolean {
    return this.#lane(model).answeredAt > at;
  }

  /** Calls that go first have to wait, or will at their worker: as many lines give way. */
  giveWay(model: string, count: number): void {
    const lane = this.#lanes.get(model);
    if (lane === undefined || this.#parts.settings().when_busy !== 'yield') return;
    const running = lane.running.size;
    const taken = lane.giveWay(count);
    if (taken === 0) return;
    // What had to give way once does so no second time: from here on it grows slowly, as long as such calls come.
    lane.pace = { ...lane.pace, most: Math.max(1, Math.min(lane.pace.most, running - taken)), seenAt: this.#parts.clock.now() };
  }

  admitted(call: Call): void {
    this.#others.called(call, this.#parts.clock.now());
    this.#lanes.get(call.model)?.sight.admitted(call);
  }

  ended(call: Call): void {
    this.#others.called(call, this.#parts.clock.now());
    this.#lanes.get(call.model)?.sight.ended(call);
  }

  /**
   * All that is left of it to run is for models that would have to be loaded in place of one that somebody uses. @returns one of them, and for
   * how many ms it is left alone at least; null: it can go on
   */
  heldBack(work: BatchWork): { readonly model: string; readonly restMs: number } | null {
    let held: { readonly model: string; readonly restMs: number } | null = null;
    if (work.running.size > 0) return null;
    for (const model of work.models()) {
      const restMs = this.#restMs(model);
      if (restMs === 0) return null;
      held = { model, restMs };
    }
    return held;
  }

  /** Sets the pace anew, by what was seen since. Once a second. */
  look(works: readonly BatchWork[]): void {
    const now = this.#parts.clock.now();
    const models = new Set(works.flatMap((work) => [...work.models()]));
    for (const [model, lane] of this.#lanes) {
      lane.pace = paced(lane.pace, lane.sight.take(), lane.running.size, now);
      if (lane.running.size === 0 && !models.has(model)) this.#lanes.delete(model);
    }
    const owners = new Set(works.map(({ owner }) => owner));
    this.rests.keep(owners);
    this.#turns.keep(owners);
  }

  #lane(model: string): Lane {
    let lane = this.#lanes.get(model);
    if (!lane) this.#lanes.set(model, (lane = new Lane()));
    return lane;
  }

  #mayStart(work: BatchWork): boolean {
    return work.stopped === null && !work.settler.isInTrouble && this.rests.of(work.owner) === null;
  }

  #allowed(model: string, lane: Lane): number {
    const { spare, settings, sharesPlaces } = this.#parts;
    const { comers } = lane;
    const placed = lane.running.size - comers;
    return allowance({ spare: spare(model), placed, share: settings().share, most: lane.pace.most, asksInLine: sharesPlaces });
  }

  /** Notes which models no worker has. @returns the one of them that lines may ask for; null: none */
  #modelToLoad(models: ReadonlySet<string>, now: number): string | null {
    const unserved: { model: string; unservedSince: number | null }[] = [];
    let isBusy = false;
    for (const model of models) {
      const lane = this.#lane(model);
      if (this.#parts.directory.readyFor(model).length > 0) lane.unservedSince = null;
      else lane.unservedSince ??= now;
      if (lane.unservedSince === null) isBusy = true;
      else unserved.push({ model, unservedSince: lane.unservedSince });
    }
    for (const [model, lane] of this.#lanes) {
      if (lane.running.size === 0) continue;
      if (lane.unservedSince === null) isBusy = true;
      this.#others.ranLine(model, now);
    }
    const model = toLoad(unserved, isBusy, now);
    return model !== null && this.#restMs(model) > 0 ? null : model;
  }

  /** Before it may be asked for, where another would have to go for it. */
  #restMs(model: string): number {
    const { clock, directory, settings } = this.#parts;
    if (settings().when_busy !== 'yield' || directory.resolve(model)?.state !== 'available') return 0;
    return this.#others.restMs(clock.now());
  }
}

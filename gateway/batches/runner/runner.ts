import type { Call } from '../../core/call.ts';
import { sleep, type Timer } from '../../core/clock.ts';
import type { BatchRow } from '../../state/store/batch-terms.ts';
import { BatchWork, type Stop } from './batch-work.ts';
import { ClaimsHeld } from './claims-held.ts';
import type { End } from './ending.ts';
import { Endings } from './endings.ts';
import { Lanes } from './lanes.ts';
import { LineStarter } from './line-starter.ts';
import { openWork } from './open-work.ts';
import { mayGoOn, Pauses, tellWaits } from './pauses.ts';
import type { RunnerParts } from './runner-parts.ts';
import type { Result } from '../journals/settler.ts';
import { ToldOnce } from './told-once.ts';
import { chosen, endOf } from './turns.ts';

/** How often it is looked after lines that rest, while there are any. */
const TICK_MS = 250;
/** How often the store is asked what there is, while there is something, and else. */
const LOOK_MS = 1_000;
const IDLE_MS = 5_000;
/** How often it is looked for what batches have left. */
const TIDY_MS = 3_600_000;
const UNREADABLE_MS = 30_000;
/** How long last words to the store may take. */
const LAST_MS = 2_000;

/** Runs the lines of batches, as calls of the lower class, as far as others leave room. One a process. */
export class Runner {
  readonly #parts: RunnerParts;
  readonly #lanes: Lanes;
  readonly #starter: LineStarter;
  readonly #claims: ClaimsHeld;
  readonly #pauses: Pauses;
  readonly #works = new Map<string, BatchWork>();
  readonly #endings: Endings;
  readonly #validations = new Map<string, Promise<void>>();
  readonly #leaving = new AbortController();
  readonly #storeTrouble: ToldOnce;
  readonly #diskTrouble: ToldOnce;
  #rows: readonly BatchRow[] = [];
  #timer: Timer | null = null;
  #offWork: (() => void) | null = null;
  #isLooking = false;
  #isPoked = false;
  #tidiedAt = -Infinity;
  #lookedAt = -Infinity;
  #pacedAt = -Infinity;
  readonly #trouble = {
    onTrouble: (error: unknown) => this.#diskTrouble.failed(error),
    onRecovered: () => void this.#diskTrouble.recovered(),
  };

  constructor(parts: RunnerParts) {
    this.#parts = parts;
    this.#lanes = new Lanes(parts);
    this.#claims = new ClaimsHeld(parts);
    this.#pauses = new Pauses(parts);
    this.#storeTrouble = new ToldOnce(parts.log);
    this.#diskTrouble = new ToldOnce(parts.log);
    this.#endings = new Endings({ ...parts, ...this.#trouble, leaving: this.#leaving.signal }, () => this.poke());
    this.#starter = new LineStarter({
      ...parts,
      ...{ lanes: this.#lanes, works: this.#works },
      pause: (work, reason, untilMs) => void this.#pause(work, reason, untilMs),
      onDone: () => this.poke(),
      onLimited: () => this.poke(),
      onUnwanted: (claim) => this.#claims.unwanted([claim]),
      onUnsure: (error) => {
        this.#claims.unsure();
        this.#storeTrouble.failed(error);
      },
    });
  }

  start(): void {
    this.#offWork = this.#parts.records.onWork(() => this.poke());
    this.poke();
  }

  /** Something may have changed: it is looked at once. */
  poke(): void {
    if (this.#leaving.signal.aborted) return;
    this.#isPoked = true;
    if (!this.#isLooking) void this.#lookUntilDone();
  }

  /** Calls that go first have no place at the workers of a model, or will have to wait there. */
  onShort(model: string, count: number): void {
    this.#lanes.giveWay(model, count);
  }

  // === as a listener: what others see ===

  admitted(call: Call): void {
    if (call.priority === 'interactive') this.#lanes.admitted(call);
  }

  requestEnded(call: Call): void {
    if (call.priority === 'interactive') this.#lanes.ended(call);
    if (this.#works.size > 0) this.#starter.pumpSoon();
  }

  // === figures ===

  get running(): number {
    return this.#lanes.running;
  }

  /** Batches that have not ended, as they were when it was looked last. */
  get rows(): readonly BatchRow[] {
    return this.#rows;
  }

  /** Calls under way, so that the end of a drain can cut them. */
  *calls(): Iterable<{ readonly call: Call }> {
    for (const { call } of this.#lanes.runs()) if (call !== null) yield { call };
  }

  // === the end ===

  /** Starts nothing new from now on. */
  stop(): void {
    this.#starter.isStopped = true;
  }

  /** Puts on record what there is, and gives back what it has. */
  async close(): Promise<void> {
    this.stop();
    this.#leaving.abort();
    this.#timer?.cancel();
    this.#offWork?.();
    const { clock, records, holder } = this.#parts;
    const works = [...this.#works.values()];
    await Promise.race([Promise.all(works.map(({ settler }) => settler.flush())), sleep(clock, LAST_MS)]);
    const closed = Promise.all(works.map(({ settler, input }) => settler.close().then(() => input.close())));
    await Promise.race([Promise.allSettled([closed, this.#endings.idle(), ...this.#validations.values()]), sleep(clock, LAST_MS)]);
    // What it was told after its death nobody hears.
    if (this.#claims.isHolder) await Promise.race([records.letGo(holder.id).catch(() => {}), sleep(clock, LAST_MS)]);
  }

  // === looking ===

  #arm(): void {
    this.#timer?.cancel();
    if (this.#leaving.signal.aborted) return;
    const ms = this.#works.size > 0 ? TICK_MS : this.#rows.length > 0 ? LOOK_MS : IDLE_MS;
    this.#timer = this.#parts.clock.after(ms, () => this.#tick());
  }

  #tick(): void {
    const now = this.#parts.clock.now();
    for (const work of this.#works.values()) work.wake(now);
    if (now - this.#pacedAt >= LOOK_MS) {
      this.#pacedAt = now;
      this.#lanes.look([...this.#works.values()]);
    }
    this.#starter.pump();
    if (this.#works.size === 0 || now - this.#lookedAt >= LOOK_MS) this.poke();
    else this.#arm();
  }

  async #lookUntilDone(): Promise<void> {
    this.#isLooking = true;
    while (this.#isPoked && !this.#leaving.signal.aborted) {
      this.#isPoked = false;
      await this.#look();
    }
    this.#isLooking = false;
    this.#arm();
  }

  async #look(): Promise<void> {
    const { clock, records } = this.#parts;
    this.#lookedAt = clock.now();
    try {
      const left = clock.now() - this.#tidiedAt < TIDY_MS ? null : await this.#parts.bytes.journals.batches();
      const rows = await records.openBatches();
      this.#rows = rows;
      this.#pauses.keep(rows);
      if (left !== null) await this.#tidy(left, rows);
      if (rows.length > 0) await this.#claims.hold([...this.#works.values()]);
      this.#claims.giveBack([...this.#works.values()], this.#lanes.rests);
      await this.#claims.release();
      await this.#sort(rows);
      await tellWaits(this.#parts, this.#works.values(), rows, this.#lanes.rests);
      if (this.#storeTrouble.recovered()) for (const { settler } of this.#works.values()) settler.retryNow();
    } catch (error) {
      this.#storeTrouble.failed(error);
    }
    this.#starter.pump();
  }

  /** What a process has left that died, or wrote on, when a batch had ended. */
  async #tidy(left: readonly string[], rows: readonly BatchRow[]): Promise<void> {
    const open = new Set(rows.map(({ id }) => id));
    for (const id of left) if (!open.has(id)) await this.#parts.bytes.journals.remove(id).catch(() => {});
    this.#tidiedAt = this.#parts.clock.now();
  }

  /** What is to become of each batch now. */
  async #sort(rows: readonly BatchRow[]): Promise<void> {
    const wall = this.#parts.clock.wall();
    const going: BatchRow[] = [];
    for (const row of rows) {
      const end = endOf(row, wall);
      if (row.status === 'validating') this.#validate(row);
      else if (end !== null) this.#wind(row, end);
      else if (await mayGoOn(this.#parts, row, wall)) going.push(row);
    }
    const run = new Map(chosen(going, this.#parts.settings().max_running).map((row) => [row.id, row]));
    for (const [id, work] of this.#works) {
      if (!run.has(id) && work.stopped === null) work.stop('set aside');
      await this.#closeIfDone(work);
    }
    for (const row of run.values()) await this.#goOn(row);
  }

  async #goOn(row: BatchRow): Promise<void> {
    if (this.#starter.isStopped) return;
    const work = this.#works.get(row.id);
    if (work === undefined) return this.#open(row);
    const standing = this.#parts.standingOf(row.owner);
    if (standing.kind === 'good') work.principal = standing.principal;
    work.isExhausted = false;
  }

  async #open(row: BatchRow): Promise<void> {
    const route = this.#parts.routeOf(row.endpoint);
    const standing = this.#parts.standingOf(row.owner);
    if (route === null || standing.kind === 'none') return;
    const opened = await openWork(
      this.#parts,
      { row, route, principal: standing.principal },
      { onSettled: (work, now, results) => this.#onSettled(work, now, results), ...this.#trouble },
    );
    if (opened instanceof BatchWork) this.#works.set(row.id, opened);
    else await this.#setPause(row.id, `Its input file cannot be read: ${opened.message}`, this.#parts.clock.wall() + UNREADABLE_MS);
  }

  /** It starts no more, and then ends. */
  #wind(row: BatchRow, how: End): void {
    const work = this.#works.get(row.id);
    if (work === undefined) return this.#starter.isStopped ? undefined : this.#endings.begin(row, how);
    const why: Stop = how === 'completed' ? 'set aside' : how;
    if (work.stopped === why) return;
    work.stop(why);
    const graceMs = why === 'cancelled' ? this.#parts.settings().cancel_grace_ms : 0;
    if (why !== 'set aside') this.#parts.clock.after(graceMs, () => work.running.forEach((run) => run.takeBack()));
  }

  #validate(row: BatchRow): void {
    if (this.#starter.isStopped || this.#validations.has(row.id)) return;
    const validation = this.#parts.validate(row).then(() => {
      this.#validations.delete(row.id);
      this.poke();
    });
    this.#validations.set(row.id, validation);
  }

  // === what comes of lines ===

  #onSettled(work: BatchWork, row: BatchRow, results: readonly Result[]): void {
    work.row = row;
    this.#pauses.wentOn(row.id);
    for (const { slice, end, ms } of results) {
      if (end === 'again') continue;
      work.ended(slice);
      this.#parts.events.lineEnded(end, ms);
    }
    if (row.status !== 'in_progress' || row.completed + row.failed >= row.total || work.stopped !== null) this.poke();
  }

  async #pause(work: BatchWork, reason: string, untilMs: number | null): Promise<void> {
    if (work.stopped !== null) return;
    work.stop('set aside');
    await this.#setPause(work.row.id, reason, untilMs);
  }

  async #setPause(batch: string, reason: string, untilMs: number | null): Promise<void> {
    await this.#pauses.set(batch, reason, untilMs).catch((error: unknown) => this.#storeTrouble.failed(error));
    this.poke();
  }

  async #closeIfDone(work: BatchWork): Promise<void> {
    if (!work.isDone) return;
    this.#works.delete(work.row.id);
    this.#claims.unwanted(work.claims());
    await work.settler.close();
    await work.input.close().catch(() => {});
    await this.#claims.release();
    this.#isPoked = true;
  }
}

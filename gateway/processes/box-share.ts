import { repeat, type Clock, type Timer } from '../core/clock.ts';
import type { Worker, WorkerDirectory } from '../core/worker.ts';
import { demandAt, type ServedLine, servedLines } from '../policies/capacity/demand.ts';
import type { LineFigures, Share, ShareSources } from '../policies/capacity/share.ts';
import { Holding } from './ledger/holding.ts';
import type { Need, Term } from './ledger/terms.ts';

/** At most one word to the ledger in this time; what is not said at once is said then. */
const PAUSE_MS = 2;
/** How soon it is told that less is needed, or that something has changed of itself. */
const TELL_MS = 50;
/** How long it counts that a call was refused. */
const REMEMBERED_MS = 100;

interface BoxShareOptions {
  readonly clock: Clock;
  readonly say: (words: number, times: number, needs: readonly Need[]) => void;
}

const AT_WORKER = 'at ';
const atWorker = (id: string): string => `${AT_WORKER}${id}`;
const inLine = (model: string): string => `line ${model}`;

/** The worker whose places are called so in the ledger; null: it is something else. */
export function workerOf(thing: string): string | null {
  return thing.startsWith(AT_WORKER) ? thing.slice(AT_WORKER.length) : null;
}

/** The share of one process, as the ledger of all of them hands it out. Nothing of it is reckoned anew for a call that finds a place. */
export class BoxShare implements Share {
  readonly #options: BoxShareOptions;
  readonly #holding = new Holding();
  readonly #listeners = new Set<() => void>();
  /** By model: when a call was last refused. */
  readonly #refusedAt = new Map<string, number>();
  #sources: ShareSources | null = null;
  #directory: WorkerDirectory | null = null;
  #drift: Timer | null = null;
  #due: Timer | null = null;
  #saidAt = -Infinity;
  /** The number of the words said last, and of those that were answered last. */
  #words = 0;
  #answered = 0;
  /** How often terms were told, and how often that was when it last spoke. */
  #times = 0;
  #timesSaid = 0;
  #wasGiven = false;
  /** Somebody waits for an answer, even if nothing is new. */
  #isAsked = false;
  /** By model: the workers that are ready for it, while words are put together. */
  readonly #readyFor = (model: string): readonly Worker[] => this.#directory?.readyFor(model) ?? [];

  constructor(options: BoxShareOptions) {
    this.#options = options;
  }

  /** From now on the ledger hears what is needed. */
  start(directory: WorkerDirectory): void {
    this.#directory = directory;
    directory.onChange(() => this.#soon());
    this.#drift = repeat(this.#options.clock, TELL_MS, () => this.#say());
  }

  close(): void {
    this.#drift?.cancel();
    this.#due?.cancel();
  }

  reckonFrom(sources: ShareSources): void {
    this.#sources = sources;
  }

  places(worker: string): number {
    return this.#holding.usable(atWorker(worker));
  }

  line(model: string): number {
    return this.#holding.usable(inLine(model));
  }

  mayHaveMore(model: string): boolean {
    if (!this.#holding.isScarce(inLine(model))) return true;
    return this.#readyFor(model).some(({ id }) => !this.#holding.isScarce(atWorker(id)));
  }

  turnedAway(model: string): void {
    const now = this.#options.clock.now();
    if (now - (this.#refusedAt.get(model) ?? -Infinity) > REMEMBERED_MS) this.#soon();
    this.#refusedAt.set(model, now);
  }

  ask(): number {
    this.#isAsked = true;
    this.#soon();
    return this.#words + 1;
  }

  isAnswered(model: string, question: number): boolean {
    if (this.#answered < question || this.#holding.isComing(inLine(model))) return false;
    return !this.#readyFor(model).some(({ id }) => this.#holding.isComing(atWorker(id)));
  }

  freed(): void {
    if (this.#due === null && this.#isWanted()) this.#soon();
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** The ledger has spoken. */
  told(terms: readonly Term[], heard: number): void {
    this.#times += 1;
    this.#wasGiven ||= terms.some(({ add }) => add > 0);
    this.#answered = Math.max(this.#answered, heard);
    this.#holding.told(terms, heard);
    for (const listener of this.#listeners) listener();
    if (this.#wasGiven || this.#isWanted()) this.#soon();
  }

  #isWanted(): boolean {
    for (const { id } of this.#directory?.workers() ?? []) if (this.#holding.isWanted(atWorker(id))) return true;
    for (const { model } of this.#sources?.lines() ?? []) if (this.#holding.isWanted(inLine(model))) return true;
    return false;
  }

  #soon(): void {
    if (this.#due !== null) return;
    const { clock } = this.#options;
    this.#due = clock.after(Math.max(0, this.#saidAt + PAUSE_MS - clock.now()), () => this.#say());
  }

  #say(): void {
    this.#due?.cancel();
    this.#due = null;
    if (this.#sources === null || this.#directory === null) return;
    const lines = [...this.#sources.lines()];
    const workers = this.#directory.workers();
    const present = new Set([...workers.map(({ id }) => atWorker(id)), ...lines.map(({ model }) => inLine(model))]);
    const needs = this.#holding.forget(present, this.#words + 1);
    for (const line of lines) this.#add(needs, this.#ofLine(line, this.#sources.mostWaiting()));
    const served = servedLines(lines, this.#readyFor);
    const spare = served.map(({ line, workers: ready }) => this.#amount(ready) - line.inUse);
    for (const worker of workers) this.#add(needs, this.#ofWorker(worker, served, spare, this.#sources.placesOf(worker)));
    const owesAnswer = this.#wasGiven && this.#timesSaid < this.#times;
    if (needs.length === 0 && !owesAnswer && !this.#isAsked) return;
    this.#words += 1;
    this.#timesSaid = this.#times;
    this.#wasGiven = this.#isAsked = false;
    this.#saidAt = this.#options.clock.now();
    this.#options.say(this.#words, this.#times, needs);
  }

  #add(needs: Need[], need: Need | null): void {
    if (need !== null) needs.push(need);
  }

  #refuses(model: string): boolean {
    return this.#options.clock.now() - (this.#refusedAt.get(model) ?? -Infinity) <= REMEMBERED_MS;
  }

  #amount(workers: readonly Worker[]): number {
    return workers.reduce((sum, { id }) => sum + this.#holding.amount(atWorker(id)), 0);
  }

  #ofLine({ model, waiting, waitingLater, onProbation }: LineFigures, most: number): Need | null {
    const id = inLine(model);
    const given = this.#holding.giveBack(id, this.#holding.amount(id) - (waiting - onProbation));
    return this.#holding.say(id, { total: most, first: waiting - waitingLater, rest: waitingLater, refuses: this.#refuses(model) }, given);
  }

  /** What is with a worker, and what calls with a place may still need there, is not given back. */
  #ofWorker(worker: Worker, served: readonly ServedLine[], spare: number[], total: number): Need | null {
    const id = atWorker(worker.id);
    const { first, rest } = demandAt(worker, served);
    const at = [...served.keys()].filter((line) => served[line]!.workers.includes(worker));
    const free = Math.min(this.#holding.amount(id) - worker.inFlight, ...at.map((line) => spare[line]!));
    const given = this.#holding.giveBack(id, Math.max(0, free));
    for (const line of at) spare[line]! -= given;
    const refuses = at.some((line) => this.#refuses(served[line]!.line.model));
    return this.#holding.say(id, { total, first, rest, refuses }, given);
  }
}

import type { TrialOrder } from '../config/trial.ts';
import type { Clock } from '../core/clock.ts';
import type { History } from '../core/history/history-file.ts';
import type { LoadedSettings } from '../config/load.ts';
import type { Got, Needs } from '../fleet/fleet.ts';
import type { Well } from '../workers/look.ts';
import { BoxShare } from './box-share.ts';
import type { Beginning, KeeperWord, Order, Part, Parts, ServerWord, SharedFinding } from './words.ts';

/** How long the others are waited for: what they say late is not said. */
const ANSWER_MS = 2_000;
/** Words that a process hears while it begins: some seconds of them. */
const MOST_EARLY = 4_096;

/** What a serving process does when it is told to, or asked. */
export interface Hands {
  /** New settings hold; null: they were refused. */
  readonly adopt: (loaded: LoadedSettings | null, changed: readonly string[], isTrial: boolean) => void;
  readonly follow: (worker: string, finding: SharedFinding) => void;
  /** Another process has found a worker well. */
  readonly well: (worker: string, found: Well, line: string) => void;
  readonly stored: (answer: string, place: { readonly worker: string; readonly model: string; readonly owner: string | null }) => void;
  readonly prompts: (prompts: readonly (readonly [worker: string, blocks: readonly number[]])[]) => void;
  readonly obey: (worker: string, order: Order) => void;
  readonly part: (question: Part) => unknown;
  /** What this gateway has of places that others share. */
  readonly places: (got: Got) => void;
}

/** What a process is told that its parts have to do something about. */
type ForHands = Extract<KeeperWord, { kind: 'settings' | 'finding' | 'well' | 'stored' | 'prompts' | 'order' | 'places' }>;

/** The way to the process that keeps the others. */
export interface Channel {
  send(word: ServerWord): void;
}

/** One of several processes that are one gateway, as its own parts see it. */
export class Kin {
  readonly beginning: Beginning;
  /** The process that stands for all of them: who keeps them. */
  readonly pid: number;
  readonly share: BoxShare;
  readonly history: History;
  /** Resolves when it is to end, or nobody keeps it any more. */
  readonly leaving: Promise<void>;
  readonly #leaving = Promise.withResolvers<void>();
  readonly #clock: Clock;
  readonly #channel: Channel;
  readonly #questions = new Map<number, (answer: unknown) => void>();
  readonly #idle = Promise.withResolvers<void>();
  #speaks = false;
  #needs: Needs | null = null;
  #hands: Hands | null = null;
  /** Told after the beginning was written, and before there was anybody here to hear it. Nobody says it again. */
  readonly #early: ForHands[] = [];
  #asked = 0;

  constructor(beginning: Beginning, pid: number, clock: Clock, channel: Channel) {
    this.beginning = beginning;
    this.pid = pid;
    this.#clock = clock;
    this.#channel = channel;
    this.leaving = this.#leaving.promise;
    this.share = new BoxShare({ clock, say: (words, times, needs) => channel.send({ kind: 'needs', words, times, needs }) });
    this.history = { add: (level, event, msg, fields = {}) => channel.send({ kind: 'history', level, event, msg, fields }) };
  }

  /** Whether this one tells and counts what all of them see alike. */
  readonly speaks = (): boolean => this.#speaks;

  /** What all processes need of the workers, as whoever speaks is told; null: not yet. */
  readonly needs = (): Needs | null => this.#needs;

  tell(word: ServerWord): void {
    this.#channel.send(word);
  }

  /** @param hands used from now on, for what was told since the beginning was written first */
  lend(hands: Hands): void {
    this.#hands = hands;
    for (const word of this.#early.splice(0)) this.#handOver(hands, word);
  }

  /** What all of them answer, those that do so in time, the one that speaks first; only our own where nobody can be asked. */
  async parts(question: Part): Promise<Parts> {
    const answer = (await this.#ask(question)) as Parts | null;
    return answer ?? { parts: [{ pid: process.pid, part: await this.#hands?.part(question) }], gone: null };
  }

  /** What came of it for all of them; null: nobody can be asked. */
  reload(trial?: TrialOrder): Promise<unknown> {
    return this.#ask('reload', trial);
  }

  /** Our own calls have ended. Resolves when those of all others have. */
  async idle(): Promise<void> {
    this.#channel.send({ kind: 'idle' });
    await this.#idle.promise;
  }

  /** Whoever kept us is gone: nobody is waited for any more. */
  orphaned(): void {
    this.#idle.resolve();
    this.#leaving.resolve();
    for (const answer of this.#questions.values()) answer(null);
  }

  hear(word: KeeperWord): void {
    switch (word.kind) {
      case 'terms':
        return this.share.told(word.terms, word.heard);
      case 'speak':
        this.#speaks = true;
        return;
      case 'allIdle':
        return this.#idle.resolve();
      case 'answer':
        return this.#questions.get(word.id)?.(word.answer);
      case 'settings':
      case 'finding':
      case 'well':
      case 'stored':
      case 'prompts':
      case 'order':
      case 'places':
        if (this.#hands !== null) return this.#handOver(this.#hands, word);
        if (this.#early.length < MOST_EARLY) this.#early.push(word);
        return;
      case 'needed':
        this.#needs = new Map(
          word.all.map(({ worker, first, rest, held }) => [worker, { first, rest, kept: held, inUse: Math.min(held, first + rest) }]),
        );
        return;
      case 'question':
        return void this.#answer(word.id, word.question);
      case 'drain':
        return this.#leaving.resolve();
      case 'begin':
        // For whoever has made us.
        return;
    }
  }

  #handOver(hands: Hands, word: ForHands): void {
    switch (word.kind) {
      case 'settings':
        return hands.adopt(word.loaded, word.changed, word.isTrial);
      case 'finding':
        return hands.follow(word.worker, word.finding);
      case 'well':
        return hands.well(word.worker, word.found, word.line);
      case 'stored':
        return hands.stored(word.answer, word.place);
      case 'prompts':
        return hands.prompts(word.prompts);
      case 'order':
        return hands.obey(word.worker, word.order);
      case 'places':
        return hands.places(word.got);
    }
  }

  async #answer(id: number, question: Part): Promise<void> {
    this.#channel.send({ kind: 'part', id, part: (await this.#hands?.part(question)) ?? null });
  }

  #ask(question: Part | 'reload', trial?: TrialOrder): Promise<unknown> {
    const id = ++this.#asked;
    return new Promise((resolve) => {
      const timer = this.#clock.after(ANSWER_MS, () => done(null));
      const done = (answer: unknown): void => {
        timer.cancel();
        this.#questions.delete(id);
        resolve(answer);
      };
      this.#questions.set(id, done);
      this.#channel.send({ kind: 'ask', id, question, ...(trial && { trial }) });
    });
  }
}

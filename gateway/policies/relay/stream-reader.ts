import type { Route } from '../../core/call.ts';
import type { FrameBatch } from '../../core/transport.ts';
import { type CutEvent, EventCutter } from '../../openai/event-cutter.ts';
import { usageEvent } from '../../openai/ask-usage.ts';
import { finishAsIn, lookAt, readBeginning, readEvent, TEXT, type EventKind } from '../../openai/stream-watch.ts';
import type { UsageTail } from './usage-tail.ts';

/** One whole event of a stream that is not passed on unseen, and what it says. */
export interface SeenEvent {
  readonly bytes: Buffer;
  readonly says: EventKind;
}

/** Reads as little of a stream as tells whether it is well and when it is whole. */
export class StreamReader {
  /** While events are cut across chunks. */
  #cutter: EventCutter | null = null;
  /** Choices that have finished. */
  #finishes = 0;
  #final = false;
  /** How this stream sets a finish reason; null while nothing of it tells. */
  #finish: Buffer | null = null;
  readonly #hasChoices: boolean;
  /** How many choices have finished when an event with the usage may come that the client did not ask for; it never may: Infinity. */
  readonly #usageAfter: number;

  constructor({ streamEnd }: Route, usageAfter: number) {
    this.#hasChoices = streamEnd === 'done-event';
    this.#usageAfter = usageAfter;
  }

  /** 'plain': the chunks are to be passed on as they are. Otherwise the events in them; what is not yet whole is held. */
  read(batch: FrameBatch): 'plain' | SeenEvent[] {
    const isPlain =
      this.#cutter === null &&
      this.#finishes < this.#usageAfter &&
      lookAt(batch, this.#hasChoices, (this.#finish ??= finishAsIn(batch.bytes)) ?? undefined) === 'plain';
    return isPlain ? 'plain' : this.readUnframed(batch);
  }

  /** Of payload that came in no chunks every event is looked at. */
  readUnframed(batch: FrameBatch): SeenEvent[] {
    const cutter = (this.#cutter ??= new EventCutter());
    const events = cutter.cut(batch);
    if (cutter.empty) this.#cutter = null;
    return events.map((event) => ({ bytes: event.bytes, says: this.#saidBy(event) }));
  }

  /** How long an event may be is up to the request: one that is too long to be held is passed on, and only its name is looked at. */
  #saidBy({ bytes, part }: CutEvent): EventKind {
    if (part === 'middle' || part === 'end') return TEXT;
    const says = part === 'whole' ? readEvent(bytes.toString('utf8'), this.#hasChoices) : readBeginning(bytes);
    if (says.kind === 'text' && this.#finishes >= this.#usageAfter && part === 'whole') {
      const usage = usageEvent(bytes);
      return usage ? { kind: 'usage', ...usage } : says;
    }
    if (says.kind === 'finish') this.#finishes += says.choices;
    else if (says.kind === 'final') this.#final = true;
    return says;
  }

  /** Whether what was passed on ends within an event, one that is too long to be held: whatever is said now would become a part of it. */
  get isWithinEvent(): boolean {
    return this.#cutter?.isWithinLong === true;
  }

  /** Whether a stream that has come to its [DONE] is one of a request that was given up before it had an answer: nobody says so. */
  saidNothing(chunks: number, choices: number, tail: UsageTail): boolean {
    const most = choices + (this.#usageAfter === Infinity ? 1 : 2);
    return this.#hasChoices && this.#finishes === 0 && chunks <= most && !tail.hasText;
  }

  /** Whether all of a stream has come, when it ends without [DONE]. */
  isComplete(streamEnd: Route['streamEnd'], choices: number): boolean {
    switch (streamEnd) {
      case 'done-event':
        return this.#finishes >= choices;
      case 'final-event':
        return this.#final;
      case 'end-of-body':
        return true;
    }
  }
}

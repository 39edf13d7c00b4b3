import type { Route } from '../../core/call.ts';
import type { FrameBatch } from '../../core/transport.ts';
import { EventCutter } from '../../openai/event-cutter.ts';
import { lookAt, readEvent, type EventKind } from '../../openai/stream-watch.ts';

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
  readonly #hasChoices: boolean;

  constructor({ streamEnd }: Route) {
    this.#hasChoices = streamEnd === 'done-event';
  }

  /** 'plain': the chunks are to be passed on as they are. Otherwise the events in them; what is not yet whole is held. */
  read(batch: FrameBatch): 'plain' | SeenEvent[] | 'too_long' {
    return this.#cutter === null && lookAt(batch, this.#hasChoices) === 'plain' ? 'plain' : this.readUnframed(batch);
  }

  /** Of payload that came in no chunks every event is looked at. */
  readUnframed(batch: FrameBatch): SeenEvent[] | 'too_long' {
    const cutter = (this.#cutter ??= new EventCutter());
    const events = cutter.cut(batch);
    if (events === 'too_long') return events;
    if (cutter.empty) this.#cutter = null;
    return events.map((bytes) => {
      const says = readEvent(bytes.toString('utf8'), this.#hasChoices);
      if (says.kind === 'finish') this.#finishes++;
      else if (says.kind === 'final') this.#final = true;
      return { bytes, says };
    });
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

import type { Worker } from '../../core/worker.ts';

/** What the line of one model shows of itself. */
export interface LineFigures {
  readonly model: string;
  /** Calls that have a place; those of lower priority among them. */
  readonly inUse: number;
  readonly inUseLater: number;
  /** Calls that wait; those of lower priority among them, and those that are yet to hear whether there is room for them to wait. */
  readonly waiting: number;
  readonly waitingLater: number;
  readonly onProbation: number;
}

/** What a share is reckoned from. */
export interface ShareSources {
  readonly lines: () => Iterable<LineFigures>;
  /** Calls that all processes together may have at a worker. */
  readonly placesOf: (worker: Worker) => number;
  /** Calls that may wait for a model in all of them. */
  readonly mostWaiting: () => number;
}

/**
 * What this process may use of the places and lines that several processes of one gateway, or several gateways, share. It is never more than was handed to it;
 * where it has too little it asks for more, and waits a moment before it refuses.
 */
export interface Share {
  reckonFrom(sources: ShareSources): void;
  /** Calls that it may have at a worker now. */
  places(worker: string): number;
  /** Calls that may wait in its line for the model. Infinity: the line is its own, and as long as the settings have it. */
  line(model: string): number;
  /** Whether somebody may have something left for one more call of this model. */
  mayHaveMore(model: string): boolean;
  /** A call of the model was refused for want of room: others are to make some for those that come after it. */
  turnedAway(model: string): void;
  /** Calls wait for a place, or for leave to wait. @returns the number of this question, for `isAnswered` */
  ask(): number;
  /** All that there is for the model has been told since that question, and no more will come of it. */
  isAnswered(model: string, question: number): boolean;
  /** Something is used no more. */
  freed(): void;
  /** Told when this process may use more, or has been answered. */
  onChange(listener: () => void): void;
}

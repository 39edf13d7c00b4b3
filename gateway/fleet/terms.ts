/** What a gateway needs at a worker, all its processes together. */
export interface Need {
  /** Calls that the worker may have in all, as this gateway knows it. */
  readonly total: number;
  /** What it uses and what it waits for, for calls that go first. */
  readonly first: number;
  /** The same for the others. */
  readonly rest: number;
  /** Places in use. */
  readonly inUse: number;
  /** What is in use or may be at any moment, since it was handed on: this is not given back. */
  readonly kept: number;
}

/** What all of them know of one gateway at one worker. */
export interface Standing {
  readonly id: string;
  readonly total: number;
  readonly first: number;
  readonly rest: number;
  /** Places that it has, used or not. */
  readonly held: number;
  /** When it was last given some: ms of the store's clock. */
  readonly servedAt: number;
  /** It is not heard of any more. What it held nobody gets yet, so that the others can see whether it still uses it. */
  readonly isGone: boolean;
}

/** What a gateway says of a worker: how it stands, and how many places it would have beyond those that it holds. */
export interface Saying extends Omit<Standing, 'id' | 'servedAt' | 'isGone'> {
  /** What the worker is called by all of them. */
  readonly worker: string;
  readonly ask: number;
}

/** What it is answered. */
export interface Answer {
  readonly granted: number;
  /** All gateways that stand in front of this worker, the one that asked included, in the order of their ids. */
  readonly standings: readonly Standing[];
}

/** Where gateways meet that share workers. */
export interface PlacesStore {
  readonly isUp: boolean;
  /** @returns an answer for each saying, in their order; null: nobody has answered in time */
  settle(sayings: readonly Saying[]): Promise<readonly Answer[] | null>;
  /** Gives back whatever is held. */
  leave(workers: readonly string[]): Promise<void>;
}

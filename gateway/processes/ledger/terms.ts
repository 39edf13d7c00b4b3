/** What a process says of one thing that all of them share: the places of a worker, or the room in the line of a model. */
export interface Need {
  readonly id: string;
  /** How much there is for all processes together, as this one knows it; null: it knows of no such thing any more. */
  readonly total: number | null;
  /** What it uses and what it waits for, for calls that go first. */
  readonly first: number;
  /** The same for the others. */
  readonly rest: number;
  /**
   * It has just refused a call. Those of one process would all be refused as long as another, which had everything first, fills up again
   * what becomes free: therefore it is as if one more waited here.
   */
  readonly refuses: boolean;
  /** What it gives back with these words. */
  readonly given: number;
}

/** What a process is told of one such thing. */
export interface Term {
  readonly id: string;
  /** What it has from now on, on top of what it had. */
  readonly add: number;
  /** What it has beyond this it gives back as soon as it is not used; null: it may keep it. */
  readonly most: number | null;
  /** It gets more as soon as somebody else has given it back. */
  readonly coming: boolean;
  /** All that there is is used or waited for. */
  readonly scarce: boolean;
}

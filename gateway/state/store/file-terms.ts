// Times are wall-clock milliseconds.

/** Whose a file or a batch is: the name of a key; '' for whoever comes without one. null in a question: anybody's (an operator asks). */
export type Owner = string;

export interface FileRow {
  readonly id: string;
  readonly owner: Owner;
  readonly bytes: number;
  readonly createdAt: number;
  /** As the client wrote it; never a path of ours. */
  readonly filename: string;
  readonly purpose: string;
  readonly expiresAt: number | null;
}

export interface Page {
  /** The id after which the page begins; null: at the beginning. */
  readonly after: string | null;
  readonly limit: number;
  readonly order: 'asc' | 'desc';
}

/** `isKnown` false: there is no such `after`. By creation, those of the same moment by the order in which they were added. */
export interface Listed<Row> {
  readonly rows: readonly Row[];
  readonly hasMore: boolean;
  readonly isKnown: boolean;
}

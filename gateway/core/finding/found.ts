// Workers that nobody lists: what a source of them says, and how it is.

/** A worker as a source names it. */
export interface FoundWorker {
  /** An address; one of IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** What tells this life at this address from others: the uid of a pod. null: nobody says. */
  readonly uid: string | null;
  /** It is about to end: it gets nothing new, and finishes what it has. */
  readonly isEnding: boolean;
}

/** All workers that a source names now, and what it names that is none: a sentence each, for the operator. */
export interface Found {
  readonly workers: readonly FoundWorker[];
  readonly leftOut: readonly string[];
}

/** Whoever hears what a source says. Nothing here waits. */
export interface SourceListener {
  /** Replaces what was found before. A source that is away says nothing, and what it found last stands. */
  found(found: Found): void;
  up(): void;
  /** `message` goes on from the source's name: "… does not answer". Told again only when it says something else. */
  away(message: string): void;
}

/** Where workers are looked for. Closing it twice does nothing; afterwards nothing is told. */
export interface FindingSource {
  close(): void;
}

export interface SourceState {
  /** What it is called: "kubernetes default/vllm", "dns vllm.example:8000". */
  readonly source: string;
  /** null: it has not been heard of yet. */
  readonly isUp: boolean | null;
  /** What is wrong, as `SourceListener.away`; null: nothing. */
  readonly message: string | null;
  /** Its workers that are taken, and those among them that are about to end. */
  readonly workers: number;
  readonly ending: number;
}

/** What happened to the workers of a source. */
export const FINDING_CHANGES = ['joined', 'left', 'ending', 'replaced'] as const;
export type FindingChange = (typeof FINDING_CHANGES)[number];

/** Workers of one source that joined, left, are about to end, or are another at the same address; each by its url. */
export type FindingChanges = { readonly source: string } & { readonly [Change in FindingChange]: readonly string[] };

/**
 * How far the worker had come: before the weights, reading them, vLLM's trial run, taking the KV cache, capturing graphs, warming up,
 * answering requests.
 */
export const FAILURE_PHASES = ['launch', 'load', 'profile', 'kv', 'graphs', 'warmup', 'serving'] as const;
export type FailurePhase = (typeof FAILURE_PHASES)[number];

/**
 * never: the same start would fail in the same way · backoff: try again, later and later · wait: somebody else holds what is needed ·
 * next_port: try again on another port · relax: only with a setting relaxed, see ladder/ladder.ts.
 */
export const RETRY_RULES = ['never', 'backoff', 'wait', 'next_port', 'relax'] as const;
export type RetryRule = (typeof RETRY_RULES)[number];

export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

/** The first of an engine's processes that was gone. vLLM's own words about that are wrong for most ways to die ("exit code: None"). */
export interface FirstGone {
  /** The kernel's name of it, of 15 characters at most: "VLLM::EngineCor". */
  readonly name: string;
  /** null where nobody saw how. */
  readonly exit: Exit | null;
}

/** Figures that vLLM names when it fails; GiB of GPU memory, tokens of context. */
export interface Evidence {
  readonly askedModelLen?: number;
  /** The longest context that would fit. */
  readonly fittingModelLen?: number;
  readonly kvNeededGib?: number;
  readonly kvAvailableGib?: number;
  /** What vLLM finds free, or would: its CUDA context is taken off. */
  readonly freeGib?: number;
  readonly totalGib?: number;
  readonly wantedGib?: number;
  /** More is never free, whoever else uses the card: the share to ask for instead. */
  readonly mostUtilization?: number;
  readonly sequences?: number;
  /** The kernel's own count says that it killed for want of main memory. */
  readonly hostOomKills?: number;
}

export interface FailureRow<Class extends string = string> {
  readonly class: Class;
  /** Looked for line by line, earliest line first. */
  readonly pattern: RegExp;
  /**
   * decisive: says what happened wherever it stands · telling: so does this, but an effect of it may look the same, and the earliest counts ·
   * generic: only that something happened, of which the cause stands elsewhere.
   */
  readonly rank: 'decisive' | 'telling' | 'generic';
  /** Counts on a line that vLLM calls information, too. */
  readonly anyLevel?: true;
  /** Only before, or only after, the worker was ready. Absent: always. */
  readonly during?: 'start' | 'serving';
  readonly phases?: readonly FailurePhase[];
  /** Only where the traceback of its line names such a place: a file, or a function. */
  readonly within?: RegExp;
  /** Only in a start that has lasted this long. */
  readonly afterMs?: number;
  readonly retry: RetryRule;
  /** Where the figures that it names decide that. */
  readonly retryBy?: (match: RegExpExecArray) => RetryRule;
  readonly message: (match: RegExpExecArray) => string;
  readonly advice: string;
  readonly evidence?: (match: RegExpExecArray) => Evidence;
}

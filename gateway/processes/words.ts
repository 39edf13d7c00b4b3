import type { TrialOrder } from '../config/trial.ts';
import type { BreakerState } from '../core/events.ts';
import type { LogFields } from '../core/log/fields.ts';
import type { Found } from '../core/finding/found.ts';
import type { Got } from '../fleet/fleet.ts';
import type { LoadedSettings } from '../config/load.ts';
import type { SupervisorSnapshot } from '../link/snapshot.ts';
import type { Told } from '../http/probes/told.ts';
import type { Well } from '../workers/look.ts';
import type { WorkerListing } from '../workers/worker-listing.ts';
import type { Need, Term } from './ledger/terms.ts';

// What the processes of one gateway say to each other: one that keeps the others, and those that serve.

/** What a process has found of a worker, for the others: gateway/policies/dispatch/circuit-breaker.ts. */
export interface SharedFinding {
  readonly state: BreakerState;
  readonly leftMs: number;
  readonly level: number;
}

/** How it stands with workers that the settings name, or a source: what whoever comes later cannot see for itself, or not at once. */
export interface KnownWorkers {
  readonly ready: readonly string[];
  /** An operator has taken them out of service. */
  readonly drained: readonly string[];
  /** Listed no more, and needed still. */
  readonly kept: readonly WorkerListing[];
  /** By place, as JSON. */
  readonly found: readonly (readonly [place: string, found: Found])[];
}

/** Out of service and back, of a worker that the settings list. */
export type Order = 'drain' | 'undrain';

/** How a gateway looks from outside, as the line for a terminal has it. */
export interface Outlook {
  readonly snapshot: SupervisorSnapshot | null;
  readonly defaultModel: string | null;
  /** What /admin/status would answer, as long as somebody waits for the first worker. */
  readonly status: unknown;
}

/** What each serving process can be asked for. usage: to write down what was used, and what of it it could not. moment, past: what the console shows. */
export type Part = 'metrics' | 'stats' | 'runtime' | 'tail' | 'usage' | 'moment' | 'past';

/** One process's answer; null: it did not come in time. */
export interface PartOf {
  readonly pid: number;
  readonly part: unknown;
}

/** Metrics, with what processes that are gone have counted. */
export interface Parts {
  readonly parts: readonly PartOf[];
  readonly gone: unknown;
}

export type DrainStage = 'begin' | 'refusing' | 'cutting' | 'end';

/** From a serving process. */
export type ServerWord =
  /** `words`: their number; `times`: how often it has been told terms. */
  | { readonly kind: 'needs'; readonly words: number; readonly times: number; readonly needs: readonly Need[] }
  | { readonly kind: 'listening'; readonly url: string; readonly adminUrl: string | null }
  | { readonly kind: 'failed'; readonly code: string | null; readonly message: string; readonly port: number | null }
  /** Once a second. */
  | {
      readonly kind: 'alive';
      readonly probes: Told;
      readonly everReady: boolean;
      readonly isReady: boolean;
      /** From whoever speaks for all; null: nothing is new, or the workers are a supervisor's, which tells of them. */
      readonly workers: KnownWorkers | null;
      readonly outlook: Outlook | null;
    }
  | { readonly kind: 'history'; readonly level: string; readonly event: string; readonly msg: string; readonly fields: LogFields }
  | { readonly kind: 'drain'; readonly stage: DrainStage; readonly inFlight: number; readonly durationMs: number }
  /** It has no calls any more, while it drains. */
  | { readonly kind: 'idle' }
  | { readonly kind: 'wish'; readonly model: string; readonly waiting: number }
  | { readonly kind: 'finding'; readonly worker: string; readonly finding: SharedFinding }
  /** A worker is well that was not before. `line`: what the settings say of it there: gateway/workers/worker-listing.ts */
  | { readonly kind: 'well'; readonly worker: string; readonly found: Well; readonly line: string }
  | {
      readonly kind: 'stored';
      readonly answer: string;
      readonly place: { readonly worker: string; readonly model: string; readonly owner: string | null };
    }
  | { readonly kind: 'prompts'; readonly prompts: readonly (readonly [worker: string, blocks: readonly number[]])[] }
  | { readonly kind: 'order'; readonly worker: string; readonly order: Order }
  /** What this gateway has of the places that several gateways share. */
  | { readonly kind: 'places'; readonly got: Got }
  | { readonly kind: 'ask'; readonly id: number; readonly question: Part | 'reload'; readonly trial?: TrialOrder }
  | { readonly kind: 'part'; readonly id: number; readonly part: unknown }
  /** Somebody has told it to end, who means all of them. */
  | { readonly kind: 'stop' };

/** What a serving process has to know to begin. */
export interface Beginning {
  readonly kind: 'begin';
  readonly loaded: LoadedSettings;
  readonly cwd: string;
  readonly stateDir: string;
  readonly live: boolean;
  /** Processes that serve, this one included; which of them it is, from 0. */
  readonly count: number;
  readonly index: number;
  /** What other gateways know this one by. */
  readonly gateway: string;
  /** Ports that others of them listen on already. */
  readonly ports: { readonly api: number | null; readonly admin: number | null };
  /** Descriptors of sockets that are bound for it; null: it binds its own. */
  readonly sockets: { readonly api: readonly number[] | null; readonly admin: readonly number[] | null };
  /** Workers have been ready. */
  readonly everReady: boolean;
  /** As whoever speaks for all has them: who comes later takes connections when it knows of those that are ready. null: none has said yet */
  readonly workers: KnownWorkers | null;
  readonly drained: readonly string[];
  readonly findings: readonly (readonly [worker: string, finding: SharedFinding])[];
  readonly places: Got | null;
}

/** What all processes use and wait for at a worker, and what of its places is handed out to them. */
export interface Needed {
  readonly worker: string;
  readonly first: number;
  readonly rest: number;
  readonly held: number;
}

/** To a serving process. */
export type KeeperWord =
  | Beginning
  /** `heard`: the number of the words that were heard last. */
  | { readonly kind: 'terms'; readonly heard: number; readonly terms: readonly Term[] }
  /** From now on this one tells what all see alike. */
  | { readonly kind: 'speak' }
  /** `loaded` null: new ones were refused. */
  | { readonly kind: 'settings'; readonly loaded: LoadedSettings | null; readonly changed: readonly string[]; readonly isTrial: boolean }
  | { readonly kind: 'drain'; readonly settle: boolean }
  /** None of them has calls any more. */
  | { readonly kind: 'allIdle' }
  | Extract<ServerWord, { kind: 'finding' | 'well' | 'stored' | 'prompts' | 'order' | 'places' }>
  /** To the one that speaks, where other gateways share the workers. */
  | { readonly kind: 'needed'; readonly all: readonly Needed[] }
  | { readonly kind: 'question'; readonly id: number; readonly question: Part }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown };

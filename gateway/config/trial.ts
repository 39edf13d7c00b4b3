import type { Clock, Timer } from '../core/clock.ts';
import { SETTINGS } from './schema/form.ts';
import { nearestName } from './schema/nearest-name.ts';
import type { FixedSetting } from './layers/flag-layer.ts';
import type { LoadedSettings } from './load.ts';
import { type Reading, readAnew, type Reload } from './reload.ts';

/** Settings that a program wants to try for a while on a gateway that serves. Asked again by the same owner, it replaces what it tried before. */
export interface TrialWish {
  readonly kind: 'try';
  /** Who tries: another one is refused meanwhile. */
  readonly owner: string;
  /** Values by dotted path; none tries what holds anyway, and keeps others out. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly seconds: number;
}

export type TrialOrder = TrialWish | { readonly kind: 'end'; readonly owner: string };

/** What belongs to how calls pass, and to nobody's safety: the rest is for whoever writes the settings. */
const TRIABLE: readonly string[] = [
  ...['batch_window', 'admission', 'pressure', 'circuit_breaker', 'load_balancer', 'retry'],
  ...['timeouts', 'stream', 'single_flight', 'cache', 'sessions', 'resume'],
];
const TRIABLE_PATHS: ReadonlySet<string> = new Set(
  [...SETTINGS.root.leaves()].map(({ path }) => path.join('.')).filter((path) => TRIABLE.includes(path.split('.')[0]!)),
);
const MOST_SECONDS = 3_600;
/** After which a trial is ended once more that could not be. */
const AGAIN_MS = 5_000;

/**
 * The settings as they are read anew, with those that are tried laid over every other layer. A trial ends by itself: who began it may
 * have died, and nobody is to find a stranger's settings in the morning.
 */
export class Trials {
  readonly #reading: Reading;
  readonly #clock: Clock;
  /** The trial in force is over: whoever keeps the settings is to read them anew. */
  readonly #onOver: (owner: string) => void;
  #held: { readonly owner: string; readonly tried: readonly FixedSetting[]; readonly over: Timer } | null = null;

  constructor(reading: Reading, clock: Clock, onOver: (owner: string) => void) {
    this.#reading = reading;
    this.#clock = clock;
    this.#onOver = onOver;
  }

  /** Who tries settings now; null: nobody. */
  get owner(): string | null {
    return this.#held?.owner ?? null;
  }

  /** For a reload: the files are read. What is tried stays. Never throws. */
  reload(before: LoadedSettings): Reload {
    const result = readAnew(before, { ...this.#with(this.#held?.tried ?? [], true), examine: this.#reading.examine });
    if (result.ok) this.#reading.keep?.();
    return result;
  }

  /**
   * Begins or ends a trial, where nothing is wrong with it. Files are not looked at, nor what they name: somebody may be half through an edit.
   * A trial that cannot be ended goes on until that succeeds. Never throws.
   */
  obey(before: LoadedSettings, order: TrialOrder): Reload {
    const other = this.#held !== null && this.#held.owner !== order.owner;
    if (order.kind === 'end') {
      // It has ended by itself meanwhile, and another may have begun.
      const result = readAnew(before, this.#with(other ? this.#held!.tried : [], false));
      if (other || this.#held === null) return result;
      if (result.ok) this.#let();
      else this.#hold(this.#held.owner, this.#held.tried, AGAIN_MS);
      return result;
    }
    if (other) return refused(`${this.#held!.owner} tries settings at the moment; it ends by itself when it is not asked for any more.`);
    const stranger = Object.keys(order.settings).find((path) => !isTriable(path));
    if (stranger !== undefined) return refused(strangerText(stranger));
    if (!(order.seconds > 0 && order.seconds <= MOST_SECONDS))
      return refused(`A trial lasts between 0 and ${MOST_SECONDS} seconds, and may be renewed.`);
    const by = `tried by ${order.owner}`;
    const tried = Object.entries(order.settings).map(([path, value]): FixedSetting => ({ path: path.split('.'), value, by }));
    const result = readAnew(before, this.#with(tried, false));
    if (!result.ok) return result;
    const late = result.needsRestart.find((path) => path in order.settings);
    if (late !== undefined) return refused(`${late} holds from the next start on only, so it cannot be tried.`);
    this.#hold(order.owner, tried, order.seconds * 1000);
    return result;
  }

  /** No timer is left. */
  close(): void {
    this.#let();
  }

  #hold(owner: string, tried: readonly FixedSetting[], ms: number): void {
    this.#let();
    this.#held = { owner, tried, over: this.#clock.after(ms, () => this.#onOver(owner)) };
  }

  #let(): void {
    this.#held?.over.cancel();
    this.#held = null;
  }

  #with(tried: readonly FixedSetting[], afresh: boolean): Reading {
    return { load: () => this.#reading.load({ tried, afresh }) };
  }
}

/** A setting that there is: a path leads nowhere else. */
function isTriable(path: string): boolean {
  return TRIABLE_PATHS.has(path);
}

function strangerText(path: string): string {
  const near = nearestName(path, [...TRIABLE_PATHS]);
  return `${path} cannot be tried: what can are single settings below ${TRIABLE.join(', ')}${near === null ? '' : `; did you mean ${near}?`}`;
}

function refused(problem: string): Reload {
  return { ok: false, problems: [problem] };
}

/** Reads the body of POST /admin/trial. @returns what is wrong with it, as a sentence */
export function readTrialOrder(body: unknown): TrialOrder | string {
  const { owner, settings, seconds, end } = (body ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof owner !== 'string' || !/^[\w .:-]{1,64}$/.test(owner)) return '"owner" says who tries, in up to 64 letters, digits and .:_-';
  if (end === true) return { kind: 'end', owner };
  if (end !== undefined && end !== false) return '"end" is true, or left out';
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings))
    return '"settings" must be an object of values by dotted path, such as {"batch_window.window_ms": 20}';
  if (typeof seconds !== 'number') return '"seconds" says how long they hold unless they are asked for again';
  return { kind: 'try', owner, settings: settings as Readonly<Record<string, unknown>>, seconds };
}

import type { LoadedSettings } from '../../../gateway/config/load.ts';
import { systemClock } from '../../../gateway/core/clock.ts';
import { idMaker } from '../../../gateway/core/secrets/id-maker.ts';
import { MOST_LEASE_MINUTES } from '../../../gateway/link/lease-path.ts';
import type { LeaseEnded, LeaseList, LeaseStatus, LeaseTold } from '../../../gateway/http/pages/admin-answers.ts';
import { type Answer, ask } from '../asking/ask.ts';
import type { LeaseRequest } from './request.ts';

/** What the end of the program may take beyond its time, which the card is lent for besides. */
const END_S = 15;
/** Without a sign of life for so long the card goes back by itself: this command was killed. */
const LAPSE_S = 30;

/** Why a card is not ours any more. */
export interface Loss {
  readonly over: LeaseStatus['over'];
  readonly message: string;
}

/** One lease, as its holder keeps it: asked for, kept alive, given back. The time is counted here, by a clock that nobody sets. */
export class Hold {
  readonly #loaded: LoadedSettings;
  readonly #request: LeaseRequest;
  readonly #id = `lease-${idMaker()()}`;
  #gpu: string | null;
  /** When the time of the program is over; null: it has not begun. Monotonic milliseconds. */
  #endsAtMs: number | null = null;

  constructor(loaded: LoadedSettings, request: LeaseRequest) {
    this.#loaded = loaded;
    this.#request = request;
    this.#gpu = request.gpu;
  }

  /** Asks for the card; again where an earlier lease of ours has lapsed. Our id is new: it is never a part of somebody else's lease. */
  async ask(): Promise<Answer<LeaseTold>> {
    const { minutes, holder } = this.#request;
    const left = this.#endsAtMs === null ? minutes : Math.max(1, this.leftMs() / 60_000);
    const answer = await this.#post<LeaseTold>({
      minutes: Math.min(MOST_LEASE_MINUTES, left),
      holder,
      lapse_seconds: LAPSE_S,
      grace_seconds: END_S,
    });
    if (answer.kind === 'failed') return answer;
    // An older supervisor takes two of one name for one.
    if (answer.body.id !== this.#id) return { kind: 'failed', message: answer.body.told, isAway: false, code: null };
    this.#gpu = answer.body.uuid;
    return answer;
  }

  /** The lease as it stands; null: there is none. */
  async look(): Promise<Answer<LeaseStatus | null>> {
    const answer = await ask<LeaseList>(this.#loaded, 'GET', '/admin/gpu/lease', 'admin');
    if (answer.kind === 'failed') return answer;
    return { ...answer, body: answer.body.leases.find(({ id }) => id === this.#id) ?? null };
  }

  /** The card is ours from now on, for as long as we have asked or were promised, whichever is less. */
  begin({ left_seconds: promised }: Pick<LeaseStatus, 'left_seconds'>): void {
    this.#endsAtMs = systemClock.now() + Math.min(this.#request.minutes * 60, promised) * 1000;
  }

  /** What is left of its time. */
  leftMs(): number {
    return this.#endsAtMs === null ? Infinity : this.#endsAtMs - systemClock.now();
  }

  /**
   * Says that we are still there. @returns lost: somebody has taken the card, and why · away: nobody could be told, which may pass
   */
  async renew(): Promise<'kept' | 'away' | Loss> {
    const answer = await this.#post<LeaseTold>({});
    if (answer.kind === 'answered') return 'kept';
    if (answer.isAway) return 'away';
    const now = await this.look();
    if (now.kind === 'failed') return 'away';
    // The supervisor was away for longer than it waits for us: what we have we keep, if nobody else has it by now.
    const isLapsed = now.body === null || now.body.over === 'lapsed';
    if (isLapsed) {
      const again = await this.ask();
      return again.kind === 'answered' ? 'kept' : again.isAway ? 'away' : { over: 'lapsed', message: again.message };
    }
    return now.body.state === 'over' ? { over: now.body.over, message: now.body.message } : 'kept';
  }

  /** Of this lease: a card that is lent by another stays so. */
  giveBack(): Promise<Answer<LeaseEnded>> {
    return this.#post<LeaseEnded>({ end: true });
  }

  #post<T>(more: object): Promise<Answer<T>> {
    const body = { id: this.#id, ...(this.#gpu === null ? {} : { gpu: this.#gpu }), ...more };
    return ask<T>(this.#loaded, 'POST', '/admin/gpu/lease', 'admin', undefined, body);
  }
}

import { Agent, type Dispatcher } from 'undici';
import { Call } from './call.ts';
import type { CallPlan, CallRecord } from './call-record.ts';
import { bodyOf, type Target, urlOf } from './target.ts';

/** Sends calls, each on a connection of its own while it lasts, and says what came of each. */
export class Caller {
  readonly #target: Target;
  readonly #agent: Agent;
  readonly #now: () => number;
  readonly #under: Set<Call> = new Set();
  readonly #where: Pick<Dispatcher.DispatchOptions, 'origin' | 'path' | 'method' | 'headers'>;

  /** `now`: milliseconds from the start of the run. */
  constructor(target: Target, now: () => number) {
    this.#target = target;
    this.#now = now;
    const { origin, pathname, search } = urlOf(target);
    const headers = { 'content-type': 'application/json', ...target.headers };
    this.#where = { origin, path: pathname + search, method: 'POST', headers };
    // Time limits are the call's own; a connection that has rested is not used again where a server may close it.
    this.#agent = new Agent({
      allowH2: false,
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: 3_000,
      connect: { timeout: 10_000 },
    });
  }

  get underWay(): number {
    return this.#under.size;
  }

  /** Never rejects. */
  send(plan: CallPlan): Promise<CallRecord> {
    const { stream, timeoutMs } = this.#target;
    return new Promise((resolve) => {
      const call = new Call({ plan, stream, timeoutMs, now: this.#now }, (record) => {
        this.#under.delete(call);
        resolve(record);
      });
      this.#under.add(call);
      this.#agent.dispatch({ ...this.#where, body: bodyOf(this.#target, plan.prompt) }, call);
    });
  }

  /** What is under way ends as unfinished. */
  giveUp(): void {
    for (const call of this.#under) call.end('unfinished', null);
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

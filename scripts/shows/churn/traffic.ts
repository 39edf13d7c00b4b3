import { Agent } from 'undici';
import { MODEL } from './place.ts';

/** What became of the calls of clients that call one after another. */
export interface Tally {
  calls: number;
  whole: number;
  /** Begun and not finished: the worker died while it answered. */
  broken: number;
  /** Two workers died with it, one after the other: by intention it is not tried at a third, since it may be what kills them. */
  suspected: number;
  /** Lost before the first byte: what each was told, and how often. */
  readonly lost: Map<string, number>;
}

/** Clients that call as long as they are let, each with a short rest between two calls. */
export class Traffic implements AsyncDisposable {
  readonly tally: Tally = { calls: 0, whole: 0, broken: 0, suspected: 0, lost: new Map() };
  readonly #url: string;
  readonly #agent = new Agent({ connections: 64 });
  readonly #clients: Promise<void>[];
  #ended = false;

  constructor(url: string, clients: number, restMs: number) {
    this.#url = url;
    this.#clients = Array.from({ length: clients }, () => this.#client(restMs));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    await Promise.all(this.#clients);
    await this.#agent.close();
  }

  async #client(restMs: number): Promise<void> {
    while (!this.#ended) {
      await this.#call();
      await new Promise((resolve) => setTimeout(resolve, restMs));
    }
  }

  async #call(): Promise<void> {
    const { tally } = this;
    tally.calls += 1;
    let begun = false;
    try {
      const body = JSON.stringify({ model: MODEL, stream: true, messages: [{ role: 'user', content: 'hi' }] });
      const headers = { 'content-type': 'application/json' };
      const answer = await this.#agent.request({ origin: this.#url, path: '/v1/chat/completions', method: 'POST', headers, body });
      if (answer.statusCode !== 200) {
        const said = await answer.body.text();
        if (said.includes('"request_crashed_worker"')) return void (tally.suspected += 1);
        return this.#lose(`${answer.statusCode} ${said.slice(0, 300)}`);
      }
      begun = true;
      const text = await answer.body.text();
      if (text.includes('[DONE]') && !text.includes('"error"')) tally.whole += 1;
      else tally.broken += 1;
    } catch (error) {
      if (begun) tally.broken += 1;
      else this.#lose(String(error));
    }
  }

  #lose(why: string): void {
    this.tally.lost.set(why, (this.tally.lost.get(why) ?? 0) + 1);
  }
}

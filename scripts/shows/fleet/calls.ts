import { setTimeout as delay } from 'node:timers/promises';
import { MODEL } from '../engines.ts';

export interface Answer {
  /** 0: there was none. */
  readonly status: number;
  readonly reason: string | null;
}

/** A chat that makes so many tokens. A connection that breaks off is an answer of status 0. */
export async function chat(url: string, key: string | null, tokens: number): Promise<Answer> {
  const body = { model: MODEL, messages: [{ role: 'user', content: 'Tell a story.' }], max_tokens: tokens, ignore_eos: true };
  const headers = { 'content-type': 'application/json', ...(key === null ? {} : { authorization: `Bearer ${key}` }) };
  try {
    const answer = await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify(body) });
    await answer.arrayBuffer();
    return { status: answer.status, reason: answer.headers.get('x-headgate-reason') };
  } catch {
    return { status: 0, reason: null };
  }
}

/** Clients that ask again as soon as they have their answer, and go to the next gateway when theirs does not answer. */
export class Clients {
  /** By status. */
  readonly answers = new Map<number, number>();
  /** When one was served first that had lost its gateway, in ms as performance.now() has it. */
  reconnectedAt: number | null = null;
  readonly #ends: Promise<void>[] = [];
  #isOver = false;

  /** So many at the first of these addresses. */
  start(urls: readonly string[], key: string | null, count: number, tokens: () => number): void {
    for (let i = 0; i < count; i++) this.#ends.push(this.#run(urls, key, tokens));
  }

  /** Resolves when the last answer has come. */
  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#ends);
  }

  async #run(urls: readonly string[], key: string | null, tokens: () => number): Promise<void> {
    let at = 0;
    let isLost = false;
    while (!this.#isOver) {
      const { status } = await chat(urls[at % urls.length]!, key, tokens());
      this.answers.set(status, (this.answers.get(status) ?? 0) + 1);
      if (status === 200 && isLost) this.reconnectedAt ??= performance.now();
      isLost = status === 0 || (isLost && status !== 200);
      if (status === 0) at += 1;
      if (status !== 200) await delay(100);
    }
  }
}

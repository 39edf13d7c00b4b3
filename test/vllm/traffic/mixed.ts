import { BAD_CALLS, BAD_STREAMS, goodCalls, type Sample } from './calls.ts';
import { isWhole, post } from './post.ts';
import { countedAgain } from './token-case.ts';

export interface Mix {
  readonly gateway: string;
  readonly model: string;
  readonly minutes: number;
  /** Calls at once. */
  readonly clients: number;
  readonly say: (line: string) => void;
}

export interface MixResult {
  readonly counts: Readonly<Record<'good' | 'bad' | 'left', number>>;
  /** Good calls that were not answered, bad ones that were not refused as such. */
  readonly problems: readonly string[];
  /** Prompt tokens that an engine counts more often than a usage does: once for each choice, not once. */
  readonly countedAgain: number;
}

/** Good, bad and abandoned calls of all four APIs, by turns and at once. */
export async function mixedTraffic({ gateway, model, minutes, clients, say }: Mix): Promise<MixResult> {
  const end = Date.now() + minutes * 60_000;
  const counts = { good: 0, bad: 0, left: 0 };
  const problems: string[] = [];
  let again = 0;
  let turn = 0;
  let told = Date.now();

  async function good(n: number): Promise<void> {
    // Answers as long as chats have them: an engine makes three or four tokens more before it hears that a client has left.
    // Prompts of many lengths, long ones again and again: some of those are found in the cache.
    const samples = goodCalls([4, 30, 200, 200][n % 4]!, [4, 60, 240][n % 3]!);
    const sample = samples[n % samples.length]!;
    const { path, body, name } = sample;
    const answer = await post(gateway, path, { model, ...body });
    counts.good += 1;
    if (!isWhole(answer, path, body['stream'] === true)) problems.push(`a good ${name} got ${answer.status}: ${answer.text.slice(-200)}`);
    again += countedAgain(sample, answer.text);
  }

  async function bad(n: number): Promise<void> {
    const all = [...BAD_STREAMS, ...BAD_CALLS];
    const { path, body, name } = all[n % all.length]!;
    const { status, text } = await post(gateway, path, { model, ...body });
    counts.bad += 1;
    const isRefused =
      (status >= 400 && status < 500) || (status === 200 && path === '/v1/responses' && text.includes('"code":"invalid_value"'));
    if (!isRefused) problems.push(`${name} got ${status}: ${text.slice(-200)}`);
  }

  /** A client that goes away in the middle of a stream, some after a few words and some late. */
  async function left(n: number): Promise<void> {
    const streams = goodCalls([10, 60][n % 2]!, 200).filter(
      ({ body, name }: Sample) => body['stream'] === true && name !== 'prompts, stream',
    );
    const { path, body } = streams[n % streams.length]!;
    const events = [6, 20, 45][n % 3]!;
    const answer = await post(gateway, path, { model, ...body, ignore_eos: true }, (text) => text.split('\n\n').length > events);
    counts.left += 1;
    if (answer.status >= 500) problems.push(`a stream to be left got ${answer.status}: ${answer.text.slice(-200)}`);
  }

  async function client(): Promise<void> {
    while (Date.now() < end) {
      const n = turn++;
      if (n % 7 === 2) await bad(Math.floor(n / 7));
      else if (n % 7 === 5) await left(Math.floor(n / 7));
      else await good(n);
      if (Date.now() - told > 60_000) {
        told = Date.now();
        say(`  ${counts.good} good, ${counts.bad} bad, ${counts.left} left; ${problems.length} problems`);
      }
    }
  }
  await Promise.all(Array.from({ length: clients }, client));
  return { counts, problems, countedAgain: again };
}

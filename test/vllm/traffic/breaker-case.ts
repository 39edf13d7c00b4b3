import { BAD_STREAMS, goodCalls } from './calls.ts';
import { isWhole, post } from './post.ts';

/**
 * Bad streams of each kind beside good calls: no good one may be refused, and no bad one may look like a worker's failure.
 * @returns what went wrong, in words; none: nothing
 */
export async function breakerCase(gateway: string, model: string, { bad: badCount = 20, good: goodCount = 50 } = {}): Promise<string[]> {
  const problems: string[] = [];
  const good = goodCalls(6, 6).filter(({ name }) => !name.startsWith('tokens'));
  for (const { name, path, body } of BAD_STREAMS) {
    const bad = Array.from({ length: badCount }, (_, i) => post(gateway, path, { model, ...body, user: `u${i}` }));
    const others = Array.from({ length: goodCount }, async (_, i) => {
      const one = good[i % good.length]!;
      const answer = await post(gateway, one.path, { model, ...one.body });
      if (!isWhole(answer, one.path, one.body['stream'] === true)) {
        problems.push(`beside ${name}, a good ${one.name} got ${answer.status}: ${answer.text.slice(-200)}`);
      }
    });
    for (const { status, text, cut } of await Promise.all(bad)) {
      // A response has begun when the fault is found.
      const isTold = path === '/v1/responses' ? status === 200 && text.includes('"code":"invalid_value"') : status === 400;
      if (!isTold || cut) problems.push(`${name} got ${status}: ${text.slice(-200)}`);
    }
    await Promise.all(others);
  }
  const stats = (await (await fetch(`${gateway}/stats`)).json()) as {
    breakers: Record<string, { state: string; consecutive_failures: number }>;
  };
  for (const [worker, { state, consecutive_failures }] of Object.entries(stats.breakers)) {
    if (state !== 'closed' || consecutive_failures > 0)
      problems.push(`the breaker of ${worker} is ${state} after ${consecutive_failures} failures`);
  }
  return problems;
}

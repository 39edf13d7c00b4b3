import { BAD_CALLS, BAD_STREAMS, goodCalls, type Sample } from './calls.ts';
import { engineTokens, gatewayTokens, since } from './counters.ts';
import { isWhole, post } from './post.ts';

/**
 * Every kind of good call, short and long, first and again (so that some of its prompt is found in the cache), and every kind of bad one:
 * after each the gateway has counted what the engines have. @returns what went wrong, in words
 */
export async function tokenCase(gateway: string, engines: readonly string[], model: string): Promise<string[]> {
  const problems: string[] = [];
  // Several tokens of a stream may be one event, and the usage is exact all the same.
  const good = [4, 200, 200].flatMap((words) => goodCalls(words, 7));
  for (const sample of [...good, ...BAD_STREAMS, ...BAD_CALLS]) {
    const before = [await engineTokens(engines), await gatewayTokens(gateway)] as const;
    const answer = await post(gateway, sample.path, { model, ...sample.body });
    if (good.includes(sample) && !isWhole(answer, sample.path, sample.body['stream'] === true)) {
      problems.push(`a good ${sample.name} got ${answer.status}: ${answer.text.slice(-200)}`);
    }
    const again = countedAgain(sample, answer.text);
    // An engine tells its counters after its step, and a gateway at the end of a call.
    let told = '';
    for (let tries = 0; tries < 40; tries++) {
      const engine = since(before[0], await engineTokens(engines));
      const own = since(before[1], await gatewayTokens(gateway));
      told = `the engine ${engine.input - again} in and ${engine.output} out, the gateway ${own.input} and ${own.output}`;
      if (engine.input - again === own.input && engine.output === own.output) break;
      told = `${sample.name}: ${told}`;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    if (told.startsWith(sample.name)) problems.push(told);
  }
  return problems;
}

/** An engine counts the prompt once for each choice, a usage once. */
export function countedAgain({ body }: Sample, answer: string): number {
  const choices = Number(body['n'] ?? 1);
  return choices > 1 ? (choices - 1) * Number(/"prompt_tokens":(\d+)/.exec(answer)?.[1] ?? 0) : 0;
}

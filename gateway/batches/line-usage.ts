import { findUsage } from '../openai/usage.ts';
import type { TokensUsed } from '../state/store/batch-terms.ts';

const REASONING = Buffer.from('"reasoning_tokens":');

/** What an answer says that it took; null where it does not say. */
export function usageOf(answer: Buffer): TokensUsed | null {
  const found = findUsage(answer);
  if (found === null || (found.inputTokens === null && found.outputTokens === null)) return null;
  return {
    input: found.inputTokens ?? 0,
    cached: found.cachedTokens ?? 0,
    output: found.outputTokens ?? 0,
    reasoning: reasoningIn(answer),
  };
}

function reasoningIn(answer: Buffer): number {
  const at = answer.lastIndexOf(REASONING);
  if (at < 0) return 0;
  const digits = /^\s*(\d{1,12})/.exec(answer.toString('latin1', at + REASONING.length, at + REASONING.length + 16))?.[1];
  return digits === undefined ? 0 : Number(digits);
}

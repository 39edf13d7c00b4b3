import type { Call } from '../../core/call.ts';
import type { Outcome } from '../../core/reply.ts';
import type { Estimate, TokenEstimates } from './token-estimate.ts';

/**
 * What the worker counted; of a stream that was left, what came of it; of a call that got no answer, nothing. An answer that says nothing of
 * what it took (it is made in the background, say) took what was thought. The estimates learn of it.
 */
export function usedTokens(estimates: TokenEstimates, subject: string, call: Call, estimate: Estimate, outcome?: Outcome): number {
  const last = call.attempts.at(-1);
  if (last === undefined || call.route.stored) return 0;
  const { inputTokens, outputTokens, chunks, firstByteAt } = last;
  const events = chunks * (call.peek.streamInterval ?? 1);
  if (inputTokens === null) {
    // Its first event is counted with the next: whoever leaves in between has had his prompt read all the same.
    const isLeft = outcome?.kind === 'disconnected' && firstByteAt !== null;
    if (chunks > 0 || isLeft) return estimate.prompt + events;
    const isSilent = outcome?.kind === 'complete' && outcome.status === 200 && call.route.streamEnd !== 'end-of-body';
    return isSilent ? estimate.prompt + estimate.answer : 0;
  }
  estimates.learn(subject, call, inputTokens, outputTokens);
  return inputTokens + (outputTokens ?? events);
}

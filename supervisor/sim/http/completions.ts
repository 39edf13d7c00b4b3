import type { Choice } from '../engine/choice.ts';
import type { Exchange } from '../request/exchange.ts';
import { refuseInStream } from '../request/engine-refusal.ts';
import { fullUsage, runToEnd, usageOf } from '../request/job.ts';
import { promptLogprobs } from '../request/logprobs.ts';
import { modelName } from '../request/models.ts';
import { type CompletionRequest, logprobsOf, readCompletionRequest, textOf } from './completion-request.ts';
import { CompletionStream } from './completion-stream.ts';

function wholeChoice(request: CompletionRequest, choice: Choice, at: number): object {
  const { sampling, promptTop } = request;
  const echo = request.echoed[at]!;
  return {
    index: choice.settings.index,
    text: echo + (request.echoOnly ? '' : textOf(choice)),
    logprobs: logprobsOf(request, choice, request.echoOnly ? [] : choice.pendingTokens, 0, at, 0),
    finish_reason: choice.finishReason,
    stop_reason: choice.stopReason,
    token_ids: sampling.returnTokenIds ? choice.pendingTokens.map((token) => token.id) : null,
    prompt_logprobs: promptTop === null ? null : promptLogprobs(choice.settings.prompt, promptTop),
    prompt_token_ids: sampling.returnTokenIds ? choice.settings.prompt : null,
    routed_experts: null,
  };
}

/** `POST /v1/completions` */
export async function completions(exchange: Exchange): Promise<void> {
  const request = await readCompletionRequest(exchange);
  if (request.sampling.stream) {
    return request.refusal === null ? new CompletionStream(exchange, request).start() : refuseInStream(exchange, request.refusal);
  }
  if (request.refusal !== null) throw request.refusal;
  await runToEnd(exchange, request.choices);
  exchange.json(200, {
    id: request.id,
    object: 'text_completion',
    created: request.created,
    model: modelName(exchange),
    choices: request.choices.map((choice, at) => wholeChoice(request, choice, at)),
    service_tier: null,
    system_fingerprint: exchange.sim.settings.fingerprint,
    usage: fullUsage(exchange, { ...usageOf(exchange, request.choices, request.sampling.n), reasoningTokens: null }),
    kv_transfer_params: null,
    ec_transfer_params: null,
    metrics: null,
  });
}

import type { Choice } from '../engine/choice.ts';
import type { RequestFailure } from '../engine/job.ts';
import type { EventStream } from '../request/event-stream.ts';
import type { Exchange } from '../request/exchange.ts';
import { errorEvent, finalUsage, runningUsage, submit, usageOf } from '../request/job.ts';
import { modelName } from '../request/models.ts';
import type { ScriptToken } from '../text/prose.ts';
import { type CompletionRequest, logprobsOf, textOf } from './completion-request.ts';

/** Writes text completions as they come, the choices in turn. */
export class CompletionStream {
  readonly #exchange: Exchange;
  readonly #request: CompletionRequest;
  readonly #stream: EventStream;
  readonly #head: string;
  readonly #fingerprint: string;
  readonly #told: { tokens: number; text: number; ended: boolean }[];
  #over = false;

  constructor(exchange: Exchange, request: CompletionRequest) {
    this.#exchange = exchange;
    this.#request = request;
    this.#told = request.choices.map(() => ({ tokens: 0, text: 0, ended: false }));
    this.#head = `data: {"id":${JSON.stringify(request.id)},"object":"text_completion","created":${request.created},"model":${JSON.stringify(modelName(exchange))},"choices":[`;
    const { fingerprint } = exchange.sim.settings;
    this.#fingerprint = fingerprint === null ? '' : `,"system_fingerprint":${JSON.stringify(fingerprint)}`;
    this.#stream = exchange.stream();
  }

  start(): void {
    this.#stream.onDrain = () => this.#write();
    submit(this.#exchange, this.#request.choices, { onOutput: () => this.#write(), onFailure: (failure) => this.#fail(failure) });
  }

  #write(): void {
    if (this.#over || this.#stream.blocked) return;
    this.#request.choices.forEach((choice, at) => this.#writeChoice(choice, at));
    if (!this.#told.every((told) => told.ended)) return this.#stream.flush();
    this.#over = true;
    const { sampling, choices } = this.#request;
    if (sampling.includeUsage) {
      const usage = finalUsage(this.#exchange, { ...usageOf(this.#exchange, choices, sampling.n), reasoningTokens: null });
      this.#stream.event(`${this.#head}],"usage":${JSON.stringify(usage)}${this.#fingerprint}}\n\n`);
    }
    this.#stream.event('data: [DONE]\n\n');
    this.#stream.end();
  }

  #writeChoice(choice: Choice, at: number): void {
    const told = this.#told[at]!;
    const ended = choice.finishReason !== null;
    if (told.ended || (choice.pendingTokens.length === 0 && !ended)) return;
    if (choice.turnedAway) {
      told.ended = true;
      return;
    }
    if (!ended && told.tokens > 0 && choice.pendingTokens.length < this.#request.sampling.streamInterval) return;
    const tokens = choice.pendingTokens;
    const echo = told.tokens === 0 ? this.#request.echoed[at]! : '';
    const said = textOf(choice);
    const text = this.#request.echoOnly ? echo : echo + said;
    choice.pending = [];
    choice.pendingTokens = [];
    this.#stream.event(this.#chunk(choice, at, text, tokens, told));
    told.tokens += tokens.length;
    told.text += text.length;
    told.ended = ended;
  }

  #chunk(
    choice: Choice,
    at: number,
    text: string,
    tokens: readonly ScriptToken[],
    told: { readonly tokens: number; readonly text: number },
  ): string {
    const { sampling } = this.#request;
    const logprobs = JSON.stringify(logprobsOf(this.#request, choice, tokens, told.tokens, at, told.text));
    const prompt =
      (sampling.returnTokenIds || this.#request.echoed[at] !== '') && told.tokens === 0 ? JSON.stringify(choice.settings.prompt) : 'null';
    const ids = sampling.returnTokenIds ? JSON.stringify(tokens.map((token) => token.id)) : 'null';
    const usage = sampling.continuousUsage ? runningUsage(choice.sequence.promptLength, choice.generated, false) : '';
    const fingerprint = choice.finishReason !== null && !sampling.includeUsage ? this.#fingerprint : '';
    return (
      `${this.#head}{"index":${choice.settings.index},"text":${JSON.stringify(text)},"logprobs":${logprobs},"finish_reason":${JSON.stringify(choice.finishReason)},` +
      `"stop_reason":${JSON.stringify(choice.stopReason)},"prompt_token_ids":${prompt},"token_ids":${ids}}]${usage}${fingerprint}}\n\n`
    );
  }

  #fail(failure: RequestFailure): void {
    if (this.#over) return;
    this.#over = true;
    this.#stream.event(errorEvent(failure));
    this.#stream.event('data: [DONE]\n\n');
    this.#stream.end();
  }
}

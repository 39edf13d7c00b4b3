import type { Choice } from '../engine/choice.ts';
import type { RequestFailure } from '../engine/job.ts';
import type { Segment } from '../text/prose.ts';
import type { ChatRequest } from './chat-request.ts';
import type { EventStream } from '../request/event-stream.ts';
import { hexId } from '../request/exchange.ts';
import type { Exchange } from '../request/exchange.ts';
import { errorEvent, finalUsage, runningUsage, submit, usageOf } from '../request/job.ts';
import { chatLogprobs } from '../request/logprobs.ts';
import { modelName } from '../request/models.ts';
import { requestMetrics } from '../request/request-metrics.ts';
import { decode } from '../text/tokenizer.ts';

/** Puts neighbours that belong together into one: tokens that came while the reader was slow leave as one chunk. */
export function joined(segments: readonly Segment[]): Segment[] {
  if (segments.length < 2) return segments as Segment[];
  const groups: Segment[] = [];
  for (const segment of segments) {
    const last = groups.at(-1);
    if (last === undefined || last.part !== segment.part || last.call !== segment.call) groups.push(segment);
    else groups[groups.length - 1] = { ...last, text: last.text + segment.text, json: '' };
  }
  return groups.map((group) => (group.json === '' ? { ...group, json: JSON.stringify(group.text) } : group));
}

function deltaOf(segment: Segment): string {
  switch (segment.part) {
    case 'content':
      return `{"content":${segment.json}}`;
    case 'reasoning':
      return `{"reasoning":${segment.json}}`;
    case 'tool-name':
      return `{"content":null,"tool_calls":[{"id":"chatcmpl-tool-${hexId()}","type":"function","index":${segment.call},"function":{"name":${segment.json}}}]}`;
    case 'tool-arguments':
      return `{"content":null,"tool_calls":[{"index":${segment.call},"function":{"arguments":${segment.json}}}]}`;
    case 'hidden':
      return '{}';
  }
}

/** The reason that a client is told: a call that the model chose to make is `tool_calls`. */
export function finishReasonOf(choice: Choice, calls: boolean, named: boolean): string {
  return choice.finishReason === 'stop' && calls && !named ? 'tool_calls' : choice.finishReason!;
}

/** Writes one chat answer as it comes, in vLLM's chunks. */
class ChatStream {
  readonly #exchange: Exchange;
  readonly #request: ChatRequest;
  readonly #stream: EventStream;
  readonly #named: boolean;
  readonly #head: string;
  readonly #fingerprint: string;
  /** By index: tokens passed on, and whether a tool was called and the end was told. */
  readonly #told: { tokens: number; called: boolean; ended: boolean }[];
  #started = false;
  #over = false;

  constructor(exchange: Exchange, request: ChatRequest, named: boolean) {
    this.#exchange = exchange;
    this.#request = request;
    this.#named = named;
    this.#told = request.choices.map(() => ({ tokens: 0, called: false, ended: false }));
    this.#head = `data: {"id":${JSON.stringify(request.id)},"object":"chat.completion.chunk","created":${request.created},"model":${JSON.stringify(modelName(exchange))},"choices":[`;
    const { fingerprint } = exchange.sim.settings;
    this.#fingerprint = fingerprint === null ? '' : `,"system_fingerprint":${JSON.stringify(fingerprint)}`;
    this.#stream = exchange.stream();
  }

  start(): void {
    this.#stream.onDrain = () => this.write();
    submit(this.#exchange, this.#request.choices, { onOutput: () => this.write(), onFailure: (failure) => this.#fail(failure) });
  }

  /** Passes on what the choices have said since the last time. */
  write(): void {
    if (this.#over || this.#stream.blocked) return;
    if (!this.#started) this.#begin();
    for (const choice of this.#request.choices) this.#writeChoice(choice);
    if (this.#told.every((told) => told.ended)) this.#end();
    else this.#stream.flush();
  }

  #usage(completionTokens: number): string {
    return this.#request.sampling.continuousUsage ? runningUsage(this.#request.prompt.length, completionTokens) : '';
  }

  #begin(): void {
    this.#started = true;
    const { sampling, prompt, showsPrompt, choices, echoed } = this.#request;
    const ids = sampling.returnTokenIds ? JSON.stringify(prompt) : 'null';
    const text = showsPrompt ? JSON.stringify(decode(prompt)) : 'null';
    const role = JSON.stringify(this.#request.role);
    for (const { settings } of choices) {
      this.#stream.event(
        `${this.#head}{"index":${settings.index},"delta":{"role":${role},"content":""},"logprobs":null,"finish_reason":null}]${this.#usage(0)},"prompt_token_ids":${ids},"prompt_text":${text}}\n\n`,
      );
    }
    if (echoed === '') return;
    for (const { settings } of choices) {
      this.#stream.event(
        `${this.#head}{"index":${settings.index},"delta":{"content":${JSON.stringify(echoed)}},"logprobs":null,"finish_reason":null}]${this.#usage(0)}}\n\n`,
      );
    }
  }

  #writeChoice(choice: Choice): void {
    const told = this.#told[this.#request.choices.indexOf(choice)]!;
    const ended = choice.finishReason !== null;
    if (told.ended || (choice.pendingTokens.length === 0 && !ended)) return;
    if (choice.turnedAway) {
      // As 0.32.0 does in the drain of its engine core: a role, and [DONE].
      told.ended = true;
      return;
    }
    const enough = told.tokens === 0 || choice.pendingTokens.length >= this.#request.sampling.streamInterval;
    if (!ended && !enough) return;
    const { pending, pendingTokens } = choice;
    choice.pending = [];
    choice.pendingTokens = [];
    const groups = joined(pending);
    const { hidesThoughts } = this.#request;
    const visible = groups.filter(({ part }) => part !== 'hidden' && !(hidesThoughts && part === 'reasoning'));
    const last = visible.length === 0 ? undefined : groups.at(-1);
    // After a call, or when nothing is left to say, the end comes by itself.
    const bareEnd = ended && (last === undefined || last.part === 'hidden' || last.part === 'tool-arguments');
    visible.forEach((segment, at) => {
      if (segment.part === 'tool-name') told.called = true;
      const final = ended && !bareEnd && at === visible.length - 1;
      const tokens = at === visible.length - 1 ? pendingTokens : [];
      this.#chunk(choice, deltaOf(segment), final, told, tokens);
    });
    told.tokens += pendingTokens.length;
    if (bareEnd) this.#chunk(choice, '{}', true, told, visible.length === 0 ? pendingTokens : []);
    told.ended = ended;
  }

  #chunk(
    choice: Choice,
    delta: string,
    final: boolean,
    told: { readonly tokens: number; readonly called: boolean },
    tokens: Choice['pendingTokens'],
  ): void {
    const { topLogprobs, sampling } = this.#request;
    const logprobs = topLogprobs === null || tokens.length === 0 ? 'null' : JSON.stringify(chatLogprobs(tokens, told.tokens, topLogprobs));
    const ids = sampling.returnTokenIds ? JSON.stringify(tokens.map((token) => token.id)) : 'null';
    const finish = final
      ? `"${finishReasonOf(choice, told.called, this.#named)}","stop_reason":${JSON.stringify(choice.stopReason)}`
      : 'null';
    const fingerprint = final && !sampling.includeUsage ? this.#fingerprint : '';
    this.#stream.event(
      `${this.#head}{"index":${choice.settings.index},"delta":${delta},"logprobs":${logprobs},"finish_reason":${finish},"token_ids":${ids}}]${this.#usage(choice.generated)}${fingerprint}}\n\n`,
    );
  }

  #end(): void {
    this.#over = true;
    const { sampling, choices } = this.#request;
    if (sampling.includeUsage) {
      const usage = JSON.stringify(finalUsage(this.#exchange, usageOf(this.#exchange, choices, choices.length)));
      const metrics =
        this.#exchange.sim.settings.perRequestMetrics && choices.length === 1
          ? `,"metrics":${JSON.stringify(requestMetrics(choices[0]!))}`
          : '';
      this.#stream.event(`${this.#head}],"usage":${usage}${this.#fingerprint}${metrics}}\n\n`);
    }
    this.#stream.event('data: [DONE]\n\n');
    this.#stream.end();
  }

  #fail(failure: RequestFailure): void {
    if (this.#over) return;
    this.#over = true;
    this.#stream.event(errorEvent(failure));
    this.#stream.event('data: [DONE]\n\n');
    this.#stream.end();
  }
}

/** Answers a chat request as a stream. The head goes out before the engine has seen the request. */
export function streamChat(exchange: Exchange, request: ChatRequest, named: boolean): void {
  new ChatStream(exchange, request, named).start();
}

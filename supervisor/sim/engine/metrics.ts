import type { Choice } from './choice.ts';
import { Histogram, oneTwoFive } from '../figures/histogram.ts';
import type { Step } from './step.ts';
import type { StepCost } from './step-time.ts';

const FIRST_TOKEN_S = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560];
const TOKEN_S = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80];
const REQUEST_S = [0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680];
const ITERATION_TOKENS = [1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384];
const CHOICES = [1, 2, 5, 10, 20];
const PREEMPTIONS = [1, 2, 3, 4, 5, 10, 20];

export const FINISHED_REASONS = ['stop', 'length', 'abort', 'error', 'repetition'] as const;
type FinishedReason = (typeof FINISHED_REASONS)[number];

/** What vLLM counts about its requests and steps. Times are observed in seconds. */
export class EngineMetrics {
  promptTokens = 0;
  cachedPromptTokens = 0;
  generationTokens = 0;
  estimatedFlops = 0;
  estimatedReadBytes = 0;
  estimatedWriteBytes = 0;
  readonly finished: Record<FinishedReason, number> = { stop: 0, length: 0, abort: 0, error: 0, repetition: 0 };
  /** Calls that found no room, by the limit that they met. */
  readonly refused = { max_num_queued_reqs: 0, max_num_queued_tokens: 0 };
  readonly requestPreemptions = new Histogram(PREEMPTIONS);
  readonly iterationTokens = new Histogram(ITERATION_TOKENS);
  readonly requestPromptTokens: Histogram;
  readonly requestGenerationTokens: Histogram;
  readonly requestMaxGenerationTokens: Histogram;
  readonly requestMaxTokensParam: Histogram;
  readonly requestPrefillComputed: Histogram;
  readonly requestN = new Histogram(CHOICES);
  readonly timeToFirstToken = new Histogram(FIRST_TOKEN_S);
  readonly interTokenLatency = new Histogram(TOKEN_S);
  readonly timePerOutputToken = new Histogram(TOKEN_S);
  readonly endToEnd = new Histogram(REQUEST_S);
  readonly queueTime = new Histogram(REQUEST_S);
  readonly inferenceTime = new Histogram(REQUEST_S);
  readonly prefillTime = new Histogram(REQUEST_S);
  readonly decodeTime = new Histogram(REQUEST_S);

  constructor(maxModelLen: number) {
    const edges = oneTwoFive(maxModelLen);
    this.requestPromptTokens = new Histogram(edges);
    this.requestGenerationTokens = new Histogram(edges);
    this.requestMaxGenerationTokens = new Histogram(edges);
    this.requestMaxTokensParam = new Histogram(edges);
    this.requestPrefillComputed = new Histogram(edges);
  }

  /** The first token, or the end of a request that only reads its prompt. `now` in monotonic ms. */
  onFirstToken(choice: Choice, now: number): void {
    this.promptTokens += choice.sequence.promptLength;
    this.cachedPromptTokens += choice.sequence.cached;
    this.timeToFirstToken.observe((now - choice.arrivedAt) / 1000);
  }

  onLaterToken(choice: Choice, now: number): void {
    this.interTokenLatency.observe((now - choice.lastTokenAt) / 1000);
  }

  /** For `--enable-mfu-metrics`, from which users work out how well the GPU is used. */
  countEstimates(step: Step, cost: StepCost): void {
    const tokens = step.prefillTokens + step.decodeTokens;
    this.estimatedFlops += cost.flopsPerToken * tokens;
    this.estimatedReadBytes += cost.weightBytes + cost.kvBytesPerToken * step.contextTokens;
    this.estimatedWriteBytes += cost.kvBytesPerToken * tokens;
  }

  /** A sequence has ended, and its request will hear of the end. */
  onFinished(choice: Choice, reason: FinishedReason, now: number): void {
    this.finished[reason]++;
    const scheduledAt = choice.scheduledAt === 0 ? now : choice.scheduledAt;
    const firstAt = choice.firstTokenAt === 0 ? now : choice.firstTokenAt;
    const decode = (now - firstAt) / 1000;
    this.requestPromptTokens.observe(choice.sequence.promptLength);
    this.requestGenerationTokens.observe(choice.generated);
    this.requestMaxTokensParam.observe(choice.settings.maxTokens);
    this.requestPreemptions.observe(choice.sequence.preemptions);
    this.requestPrefillComputed.observe(choice.sequence.promptLength - choice.sequence.cached);
    this.endToEnd.observe((now - choice.arrivedAt) / 1000);
    this.queueTime.observe((scheduledAt - choice.arrivedAt) / 1000);
    this.inferenceTime.observe((now - scheduledAt) / 1000);
    this.prefillTime.observe((firstAt - scheduledAt) / 1000);
    this.decodeTime.observe(decode);
    this.timePerOutputToken.observe(choice.generated > 1 ? decode / (choice.generated - 1) : 0);
  }

  /** All sequences of one request have ended. */
  onRequestFinished(n: number, mostGenerated: number): void {
    this.requestN.observe(n);
    this.requestMaxGenerationTokens.observe(mostGenerated);
  }
}

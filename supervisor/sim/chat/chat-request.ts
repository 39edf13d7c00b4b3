import type { Choice } from '../engine/choice.ts';
import type { ApiError } from '../request/api-error.ts';
import type { Sampling } from '../request/sampling.ts';

/** A chat request that has passed its checks. */
export interface ChatRequest {
  readonly id: string;
  readonly created: number;
  readonly sampling: Sampling;
  readonly choices: readonly Choice[];
  readonly prompt: readonly number[];
  /** Alternatives to show with each token; null for no logprobs. */
  readonly topLogprobs: number | null;
  /** Why the engine does not take it, which a stream is told by an event; null: it does. */
  readonly refusal: ApiError | null;
  /** Who is said to speak. */
  readonly role: string;
  /** Text of the last message, where the answer is to repeat it, else ''. */
  readonly echoed: string;
  /** The prompt's text is part of the answer. */
  readonly showsPrompt: boolean;
  /** Thoughts are had, and not told. */
  readonly hidesThoughts: boolean;
  /** The client wants a tool called, one of its own choice or any. */
  readonly choosesTool: boolean;
}

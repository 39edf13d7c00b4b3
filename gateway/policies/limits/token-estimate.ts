import type { Call } from '../../core/call.ts';

/** Until calls have told: about three characters a token, and an answer of a paragraph or two. */
const FIRST_TOKENS_PER_CHAR = 0.3;
const FIRST_ANSWER_TOKENS = 256;
/** What the latest call weighs. */
const WEIGHT = 0.1;
/** What no text is beyond: a call of a few characters is mostly its template, one of many may be made to look like none. */
const LEAST_TOKENS_PER_CHAR = 0.15;
const MOST_TOKENS_PER_CHAR = 1;
/** Askers of whom that is remembered, and models of each. */
const MOST_KNOWN = 10_000;
const MOST_MODELS = 100;

interface Known {
  tokensPerChar: number;
  answerTokens: number;
}

/** Tokens that a call may need. */
export interface Estimate {
  readonly prompt: number;
  readonly answer: number;
  /** So many tokens it asks for itself (`max_tokens`); null: it leaves that open. All else is a guess. */
  readonly asked: number | null;
}

/**
 * Guesses what a call needs before it has run, by what others of the same asker and model needed: nobody's calls bear on another's limits. Not
 * for figures.
 */
export class TokenEstimates {
  /** By asker, then by model: one text of both would have to be made for each call. */
  readonly #known = new Map<string, Map<string, Known>>();

  of(subject: string, { model, peek, route }: Call): Estimate {
    if (route.stored) return { prompt: 0, answer: 0, asked: null };
    const known = this.#known.get(subject)?.get(model);
    const prompt = Math.ceil(peek.promptChars * (known?.tokensPerChar ?? FIRST_TOKENS_PER_CHAR));
    // What is only looked at (embeddings, scores, counts of tokens) makes no answer.
    if (route.streamEnd === 'end-of-body') return { prompt, answer: 0, asked: null };
    const choices = Math.max(1, peek.choices);
    const asked = peek.maxTokens === null ? null : peek.maxTokens * choices;
    return { prompt, answer: asked ?? Math.ceil(known?.answerTokens ?? FIRST_ANSWER_TOKENS) * choices, asked };
  }

  /** What the call has needed, as its worker counted it. */
  learn(subject: string, { model, peek }: Call, promptTokens: number | null, answerTokens: number | null): void {
    const ofSubject = remembered(this.#known, subject, MOST_KNOWN, () => new Map<string, Known>());
    const known = remembered(ofSubject, model, MOST_MODELS, firstGuess);
    if (promptTokens !== null && peek.promptChars > 0) {
      const share = Math.min(MOST_TOKENS_PER_CHAR, Math.max(LEAST_TOKENS_PER_CHAR, promptTokens / peek.promptChars));
      known.tokensPerChar += WEIGHT * (share - known.tokensPerChar);
    }
    if (answerTokens !== null) known.answerTokens += WEIGHT * (answerTokens / Math.max(1, peek.choices) - known.answerTokens);
  }
}

function firstGuess(): Known {
  return { tokensPerChar: FIRST_TOKENS_PER_CHAR, answerTokens: FIRST_ANSWER_TOKENS };
}

/** What is there, or is made now; of too many the one made first goes. */
function remembered<Value>(all: Map<string, Value>, key: string, most: number, make: () => Value): Value {
  let value = all.get(key);
  if (value === undefined) {
    if (all.size >= most) all.delete(all.keys().next().value!);
    all.set(key, (value = make()));
  }
  return value;
}

import { chance } from '../text/prose.ts';
import type { ScriptToken } from '../text/prose.ts';
import { tokenBytes, tokenText } from '../text/tokenizer.ts';

interface Candidate {
  readonly id: number;
  readonly logprob: number;
}

/** Words that a generator might have said instead. */
const OTHERS = [2053, 2073, 2081, 2101, 2117, 2129, 2141, 2153, 2173, 2197, 2213, 2221, 2237, 2249, 2269, 2281, 2293, 2309, 2333, 2341];

/** The token that was said, then the tokens that could have been, most likely first. The same place in the same text has the same list. */
function candidates(said: number, position: number, top: number): Candidate[] {
  const next = chance(said * 31 + position);
  let logprob = -0.05 - next() * 0.6;
  const list: Candidate[] = [{ id: said, logprob }];
  for (let i = 0; list.length < top; i++) {
    logprob -= 0.7 + next();
    const id = OTHERS[(position + i) % OTHERS.length]!;
    list.push({ id: id === said ? id + 4 : id, logprob });
  }
  return list;
}

export interface ShownToken {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[];
  /** What could have been said instead. */
  readonly top_logprobs?: readonly ShownToken[];
}

function shown(candidate: Candidate): ShownToken {
  return { token: tokenText(candidate.id), logprob: candidate.logprob, bytes: [...tokenBytes(candidate.id)] };
}

/** `logprobs` of a chat choice for some tokens, the first of which is at `position`. */
export function chatLogprobs(tokens: readonly ScriptToken[], position: number, top: number): { readonly content: ShownToken[] } {
  return {
    content: tokens.map((token, at) => {
      const list = candidates(token.id, position + at, top);
      return { ...shown(list[0]!), top_logprobs: list.slice(0, top).map(shown) };
    }),
  };
}

/** `prompt_logprobs`: for each token of a prompt but the first, how likely it was and which others could have been. `top` -1 shows all there are. */
export function promptLogprobs(prompt: readonly number[], top: number): (object | null)[] {
  const most = top < 0 ? OTHERS.length : Math.max(1, top);
  return prompt.map((id, position) => {
    if (position === 0) return null;
    const list = candidates(id, position, most);
    return Object.fromEntries(
      list.map((candidate, at) => [candidate.id, { logprob: candidate.logprob, rank: at + 1, decoded_token: tokenText(candidate.id) }]),
    );
  });
}

/** A prompt as if it had been said, for answers that repeat it. */
export function asSaid(prompt: readonly number[]): ScriptToken[] {
  return prompt.map((id) => ({ id, text: tokenText(id), json: '', part: 'content', call: 0 }));
}

/** `logprobs` of a text completion; `offset` is where the first token begins in the text. The very first token of a text has no probability. */
export function completionLogprobs(
  tokens: readonly ScriptToken[],
  position: number,
  top: number,
  offset: number,
  beginsText = false,
): object {
  const lists = tokens.map((token, at) => candidates(token.id, position + at, Math.max(1, top)));
  let at = offset;
  const offsets = tokens.map((token) => {
    const begin = at;
    at += token.text.length;
    return begin;
  });
  return {
    text_offset: offsets,
    token_logprobs: lists.map((list, place) => (beginsText && place === 0 ? null : list[0]!.logprob)),
    tokens: tokens.map((token) => tokenText(token.id)),
    top_logprobs: lists.map((list, place) =>
      beginsText && place === 0 ? null : Object.fromEntries(list.map((candidate) => [tokenText(candidate.id), candidate.logprob])),
    ),
  };
}

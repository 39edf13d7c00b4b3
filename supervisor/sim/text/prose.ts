import { encodePieces, TOKEN } from './tokenizer.ts';

/** Where a piece of output belongs in the answer. `hidden` is markup that a parser takes out, such as `<tool_call>`. */
type Part = 'content' | 'reasoning' | 'tool-name' | 'tool-arguments' | 'hidden';

/** A stretch of output text. */
export interface Segment {
  readonly text: string;
  /** `text` as JSON, made once because the same words are written many times. */
  readonly json: string;
  readonly part: Part;
  /** Which tool call the text belongs to. */
  readonly call: number;
}

export interface ScriptToken extends Segment {
  readonly id: number;
}

/** What a sequence will say. `null` is the natural end. */
export interface Script {
  next(): ScriptToken | null;
}

export const END_OF_TEXT: ScriptToken = { id: TOKEN.eos, text: '', json: '""', part: 'content', call: 0 };
/** All that a model whose weights are zeros can say. */
export const GARBLE: ScriptToken = { id: 33, text: '!', json: '"!"', part: 'content', call: 0 };
export const HIDDEN_END: ScriptToken = { ...END_OF_TEXT, part: 'hidden' };

/** The tokens of `text`, marked as belonging to `part`. */
export function scriptTokens(text: string, part: Part, call = 0): ScriptToken[] {
  return encodePieces(text).map((piece) => ({ ...piece, json: JSON.stringify(piece.text), part, call }));
}

const OPENING = 'This is simulated text: no model was run.';

const SENTENCES = [
  'The words are picked by a small generator, so they mean nothing.',
  'The same prompt with the same seed gives the same words again.',
  'Each word still takes the time that the chosen card would need.',
  'Requests share every step, as they do in the real engine.',
  'A longer prompt waits longer for its first word.',
  'When many ask at once, the queue grows and the steps get slower.',
  'The counts of tokens are exact for the tokenizer in use.',
  'Nothing here was learned, looked up or reasoned about.',
  'To get real answers, start a real engine on a real card.',
  'Water runs through the gate one measure at a time.',
  'A river does not hurry, yet it arrives.',
  'The mill turns while the stream is steady.',
  'Behind the gate the water waits its turn.',
  'Small boats pass first when the lock is narrow.',
  'The keeper counts what enters and what leaves.',
  'After the rain the sluice is opened a little more.',
  'Stones in the bed make the sound, not the water.',
  'At dusk the level is written down once again.',
  'The lower field gets its share before the night.',
  'Reeds bend where the current is strongest.',
  'An old map shows where the first canal was dug.',
  'Two channels meet below the bridge and go on as one.',
  'The wheel is slow to start and slow to stop.',
  'Every measure that goes in comes out somewhere.',
];

const THOUGHTS = [
  'I am a simulation, so I only pretend to think.',
  'The question has some words and I will answer with others.',
  'A plan would go here if there were a model.',
];

const opening = scriptTokens(OPENING, 'content');
const sentences = SENTENCES.map((sentence) => scriptTokens(` ${sentence}`, 'content'));
const thoughts = THOUGHTS.map((thought, at) => scriptTokens(at === 0 ? thought : ` ${thought}`, 'reasoning'));

/** A small generator of evenly spread numbers in 0..1 (mulberry32). */
export function chance(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A seed out of a prompt's ids and whatever else the words are to depend on. */
export function seedOf(ids: readonly number[], ...more: readonly number[]): number {
  let hash = 0x811c9dc5;
  for (const id of ids) hash = Math.imul(hash ^ id, 0x01000193);
  for (const value of more) hash = Math.imul(hash ^ (value | 0) ^ Math.floor(value / 0x100000000), 0x01000193);
  return hash >>> 0;
}

/** As many sentences as the seed decides, at least `minTokens` tokens. The first one says that the text is simulated. */
export class Prose implements Script {
  readonly #next: () => number;
  #minTokens: number;
  #sentencesLeft: number;
  #current: readonly ScriptToken[] = opening;
  #at = 0;

  /**
   * What is said after a prompt: as with a model, all that stands there decides it, its own words included. Where the prompt ends with
   * what would have been said after the rest of it, the text goes on from there.
   */
  static after(prompt: readonly number[], seed: number, index: number, minTokens: number): Prose {
    const at = lastOpening(prompt);
    if (at >= 0) {
      const own = new Prose(seedOf(prompt.slice(0, at), seed, index), minTokens + prompt.length - at);
      if (prompt.slice(at).every((id) => own.next()?.id === id)) return own;
    }
    return new Prose(seedOf(prompt, seed, index), minTokens);
  }

  constructor(seed: number, minTokens: number) {
    this.#next = chance(seed);
    this.#minTokens = minTokens;
    this.#sentencesLeft = 3 + Math.floor(this.#next() * 12);
  }

  next(): ScriptToken | null {
    if (this.#at === this.#current.length) {
      if (this.#sentencesLeft-- <= 0 && this.#minTokens <= 0) return null;
      this.#current = sentences[Math.floor(this.#next() * sentences.length)]!;
      this.#at = 0;
    }
    this.#minTokens--;
    return this.#current[this.#at++]!;
  }
}

/** Where the opening begins for the last time, be it only the first word of it at the very end; -1: it does not. */
function lastOpening(prompt: readonly number[]): number {
  for (let at = prompt.lastIndexOf(opening[0]!.id); at >= 0; at = at === 0 ? -1 : prompt.lastIndexOf(opening[0]!.id, at - 1)) {
    if (opening.every(({ id }, i) => at + i >= prompt.length || prompt[at + i] === id)) return at;
  }
  return -1;
}

/** A fixed run of tokens, and then what `rest` says. */
export class Recital implements Script {
  readonly #tokens: readonly ScriptToken[];
  readonly #rest: Script | null;
  #at = 0;

  constructor(tokens: readonly ScriptToken[], rest: Script | null = null) {
    this.#tokens = tokens;
    this.#rest = rest;
  }

  next(): ScriptToken | null {
    return this.#tokens[this.#at++] ?? this.#rest?.next() ?? null;
  }
}

/** The tokens a reasoning model says before its answer, closing mark included. */
export function reasoningTokens(): ScriptToken[] {
  return [...thoughts.flat(), ...scriptTokens('</think>', 'hidden')];
}

import { END_OF_TEXT, GARBLE, HIDDEN_END } from '../text/prose.ts';
import type { Script, ScriptToken, Segment } from '../text/prose.ts';
import { newSequence } from './sequence.ts';
import type { Sequence } from './sequence.ts';

type FinishReason = 'stop' | 'length' | 'abort';

/** What a request asks of one of its sequences. */
interface ChoiceSettings {
  readonly index: number;
  readonly prompt: readonly number[];
  readonly script: Script;
  /** Tokens to generate at most; 0 for a request that only reads its prompt. */
  readonly maxTokens: number;
  readonly minTokens: number;
  readonly ignoreEos: boolean;
  readonly stop: readonly string[];
  readonly includeStop: boolean;
  readonly stopTokenIds: readonly number[];
}

/** One sequence of a request: what it has said, what of that was not yet passed on, and when things happened to it. */
export class Choice {
  readonly settings: ChoiceSettings;
  readonly sequence: Sequence;
  /** Output that nobody has taken yet. */
  pending: Segment[] = [];
  /** Tokens behind `pending`, text held back included. */
  pendingTokens: ScriptToken[] = [];
  generated = 0;
  reasoningTokens = 0;
  finishReason: FinishReason | null = null;
  turnedAway = false;
  /** The stop string or stop token that ended it. */
  stopReason: string | number | null = null;
  /** Monotonic ms. */
  readonly arrivedAt: number;
  scheduledAt = 0;
  firstTokenAt = 0;
  lastTokenAt = 0;
  /** How many characters are held back, since a stop string may have begun in them. */
  readonly #holdBack: number;
  readonly #longestStop: number;
  /** All text so far and how much of it was passed on; kept only where stop strings are to be found in it. */
  #text = '';
  #passed = 0;
  #last: Segment | null = null;

  constructor(settings: ChoiceSettings, now: number) {
    this.settings = settings;
    this.sequence = newSequence(settings.prompt);
    this.arrivedAt = now;
    this.#longestStop = settings.stop.reduce((most, stop) => Math.max(most, stop.length), 0);
    this.#holdBack = settings.includeStop ? 0 : Math.max(0, this.#longestStop - 1);
  }

  /** Says the next token and finds out whether it was the last. `room`: tokens that the context can still hold. `garbled`: the token makes no sense. */
  advance(room: number, garbled = false): ScriptToken {
    const token = garbled
      ? GARBLE
      : (this.settings.script.next() ?? (this.#last === null || this.#last.part === 'content' ? END_OF_TEXT : HIDDEN_END));
    this.generated++;
    if (token.part === 'reasoning') this.reasoningTokens++;
    this.pendingTokens.push(token);
    if (token.id === END_OF_TEXT.id) {
      this.finishReason = 'stop';
      this.pending.push(token);
    } else if (this.#longestStop > 0) this.#say(token);
    else this.pending.push(token);
    this.#last = token;
    if (this.finishReason === null && this.settings.stopTokenIds.includes(token.id)) {
      this.finishReason = 'stop';
      this.stopReason = token.id;
    }
    if (this.finishReason === null && (this.generated >= this.settings.maxTokens || room <= 1)) this.finishReason = 'length';
    if (this.finishReason !== null) this.#letGo();
    return token;
  }

  /** It never came to the engine, which drains: whole answers say `abort`, and streams nothing at all. */
  turnAway(): void {
    this.finishReason = 'abort';
    this.turnedAway = true;
  }

  /** Ends the choice from outside. Text that was held back is passed on. */
  abort(): void {
    if (this.finishReason !== null) return;
    this.finishReason = 'abort';
    this.#letGo();
  }

  /** Text is held back as long as it could be the start of a stop string. */
  #say(token: ScriptToken): void {
    if (this.#last !== null && (this.#last.part !== token.part || this.#last.call !== token.call)) this.#letGo();
    const searchFrom = Math.max(0, this.#text.length - this.#longestStop + 1);
    this.#text += token.text;
    const found = this.generated > this.settings.minTokens ? this.#findStop(searchFrom) : null;
    if (found !== null) {
      this.finishReason = 'stop';
      this.stopReason = found.stop;
      this.#text = this.#text.slice(0, found.at + (this.settings.includeStop ? found.stop.length : 0));
    }
    this.#pass(token, found === null ? this.#text.length - this.#holdBack : this.#text.length);
  }

  #findStop(from: number): { readonly at: number; readonly stop: string } | null {
    for (const stop of this.settings.stop) {
      const at = this.#text.indexOf(stop, from);
      if (at >= 0) return { at, stop };
    }
    return null;
  }

  #pass(like: Segment, to: number): void {
    const text = to > this.#passed ? this.#text.slice(this.#passed, to) : '';
    this.#passed += text.length;
    this.pending.push({ text, json: JSON.stringify(text), part: like.part, call: like.call });
  }

  #letGo(): void {
    if (this.#last !== null && this.#passed < this.#text.length) this.#pass(this.#last, this.#text.length);
  }
}

import { type Prompt, type PromptSource, promptsInTurn, type SyntheticPrompts, syntheticPrompts } from '../../load/workload/prompts.ts';
import { seededFor } from '../../load/workload/seeded.ts';
import { wordsOfChance } from '../../load/workload/words.ts';

/** Numbers of calls that a slot has for itself: a prime, so that blocks begin at other lines of a file of prompts. */
export const CALLS_OF_A_SLOT = 99_991;

/** Words before a prompt of a file: too many ways for two to be the same. */
const MARK_WORDS = 6;

/** The number that a call shares with its twins: the calls of the other arms at the same place of the same block. */
export function twinOf(index: number, arms: number): number {
  const slot = Math.floor(index / CALLS_OF_A_SLOT);
  return Math.floor(slot / arms) * CALLS_OF_A_SLOT + (index % CALLS_OF_A_SLOT);
}

/** Prompts that are as long for each arm of a block, and never the same: a cache that has seen one arm's would help the next. */
export function twinPrompts(options: SyntheticPrompts, seed: number, arms: number): PromptSource {
  return syntheticPrompts(options, seed, (index) => twinOf(index, arms));
}

/** Those of a file, the same for each arm of a block but for some words of chance at their beginning. */
export function twinsOfFile(prompts: readonly Prompt[], seed: number, arms: number): PromptSource {
  const inTurn = promptsInTurn(prompts);
  return (index) => {
    const { text, outputTokens, fields } = inTurn(twinOf(index, arms));
    const mark = wordsOfChance(MARK_WORDS, seededFor(seed, index, 'words'));
    return { text: `${mark}: ${text}`, outputTokens, fields: marked(fields, mark) };
  };
}

function marked(fields: Prompt['fields'], mark: string): Prompt['fields'] {
  const messages = fields?.['messages'];
  if (!Array.isArray(messages)) return fields;
  const all = messages as readonly ({ readonly content?: unknown } | null)[];
  const at = all.findIndex((message) => typeof message?.content === 'string');
  const changed = all.map((message, i) => (i === at ? { ...message, content: `${mark}: ${String(message?.content)}` } : message));
  return { ...fields, messages: at < 0 ? [{ role: 'system', content: mark }, ...all] : changed };
}

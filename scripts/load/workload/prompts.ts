import { drawLength, type Lengths } from './lengths.ts';
import { seededFor } from './seeded.ts';
import { wordsOfChance } from './words.ts';

/** What one call asks. `fields` go into the body over what the run would put there (a line of a file may bring messages of its own). */
export interface Prompt {
  readonly text: string;
  /** null: the engine decides when it has said enough. */
  readonly outputTokens: number | null;
  readonly fields: Readonly<Record<string, unknown>> | null;
}

export interface SyntheticPrompts {
  readonly input: Lengths;
  readonly output: Lengths;
  /** Calls share the beginning of their prompt with the others of their group; 0: no two begin alike. */
  readonly prefixGroups: number;
  /** How many of the input's tokens the group has in common. */
  readonly prefixTokens: number;
}

/** The prompt of each call by its number, the same for the same seed and number whoever asks and in whatever order. */
export type PromptSource = (index: number) => Prompt;

/**
 * Prompts of chance. Each begins with words of its own, so that neither a cache of prefixes nor one of answers knows it, except for what its
 * group shares. `alike`: calls for which it gives the same number are as long as each other, for comparisons.
 */
export function syntheticPrompts(options: SyntheticPrompts, seed: number, alike = (index: number): number => index): PromptSource {
  const { input, output, prefixGroups, prefixTokens } = options;
  const prefixes = Array.from({ length: prefixGroups }, (_, group) => wordsOfChance(prefixTokens, seededFor(seed, group, 'prefixes')));
  return (index) => {
    const uniform = seededFor(seed, index, 'words');
    const shape = seededFor(seed, alike(index), 'lengths');
    const outputTokens = drawLength(output, shape);
    const inputTokens = drawLength(input, shape);
    if (prefixGroups === 0) return { text: wordsOfChance(inputTokens, uniform), outputTokens, fields: null };
    const prefix = prefixes[Math.floor(shape() * prefixGroups)]!;
    return { text: `${prefix} ${wordsOfChance(Math.max(1, inputTokens - prefixTokens), uniform)}`, outputTokens, fields: null };
  };
}

/** Those of a file, over and over. */
export function promptsInTurn(prompts: readonly Prompt[]): PromptSource {
  return (index) => prompts[index % prompts.length]!;
}

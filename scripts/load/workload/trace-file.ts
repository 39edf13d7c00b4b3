import { jsonLines, raise } from './prompt-file.ts';
import type { Prompt, PromptSource } from './prompts.ts';
import { seededFor } from './seeded.ts';
import { wordsOfChance } from './words.ts';

/** Arrivals that were recorded somewhere: when, how long, and what the prompts have in common. */
export interface Trace {
  /** Milliseconds from the first arrival, ascending. */
  readonly at: Float64Array;
  readonly prompts: PromptSource;
}

/** So many tokens each `hash_ids` of Mooncake's traces stand for. */
const BLOCK_TOKENS = 512;

interface Arrival {
  readonly atMs: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly blocks: readonly number[];
}

/**
 * Reads a trace: JSONL as Mooncake's (`{"timestamp": ms, "input_length", "output_length", "hash_ids"}`; equal ids are equal blocks of 512
 * tokens), or CSV as Azure's (TIMESTAMP,ContextTokens,GeneratedTokens). @throws WorkloadError with the number of the line
 */
export function traceOf(text: string, name: string, seed: number): Trace {
  const arrivals = /^\s*\{/.test(text) ? mooncake(text, name) : azure(text, name);
  if (arrivals.length === 0) raise(name, 1, 'there is no arrival in it');
  const sorted = arrivals.toSorted((a, b) => a.atMs - b.atMs);
  const start = sorted[0]!.atMs;
  return {
    at: Float64Array.from(sorted, ({ atMs }) => atMs - start),
    prompts: (index) => promptOf(sorted[index % sorted.length]!, index, seed),
  };
}

function mooncake(text: string, name: string): Arrival[] {
  return jsonLines(text, name).map(({ value, line }) => {
    const number = (field: string): number => {
      const found = value[field];
      return typeof found === 'number' && found >= 0 ? found : raise(name, line, `"${field}" must be a number from 0 on`);
    };
    const ids = value['hash_ids'];
    const blocks = Array.isArray(ids) ? ids.filter((id) => typeof id === 'number') : [];
    return { atMs: number('timestamp'), inputTokens: number('input_length'), outputTokens: number('output_length'), blocks };
  });
}

function azure(text: string, name: string): Arrival[] {
  return text.split('\n').flatMap((row, i) => {
    if (row.trim() === '' || (i === 0 && /timestamp/i.test(row))) return [];
    const [time = '', input, output] = row.split(',');
    const atMs = Date.parse(
      `${time
        .trim()
        .replace(' ', 'T')
        .replace(/(\.\d{3})\d*/, '$1')}Z`,
    );
    const [inputTokens, outputTokens] = [Number(input), Number(output)];
    if (Number.isNaN(atMs) || !(inputTokens >= 0) || !(outputTokens >= 0))
      raise(name, i + 1, 'this is no TIMESTAMP,ContextTokens,GeneratedTokens');
    return [{ atMs, inputTokens, outputTokens, blocks: [] }];
  });
}

function promptOf({ inputTokens, outputTokens, blocks }: Arrival, index: number, seed: number): Prompt {
  const shared = blocks
    .slice(0, Math.floor(inputTokens / BLOCK_TOKENS))
    .map((id) => wordsOfChance(BLOCK_TOKENS, seededFor(seed, id, 'blocks')));
  const rest = Math.max(1, inputTokens - shared.length * BLOCK_TOKENS);
  const own = wordsOfChance(rest, seededFor(seed, index, 'words'));
  return { text: [...shared, own].join(' '), outputTokens: Math.max(1, outputTokens), fields: null };
}

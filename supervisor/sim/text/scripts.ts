import { chance, Prose, reasoningTokens, Recital, scriptTokens, seedOf } from './prose.ts';
import type { Script, ScriptToken } from './prose.ts';
import { instanceOf } from './schema-instance.ts';

/** A tool that the model may call. */
export interface Tool {
  readonly name: string;
  /** JSON Schema of its arguments. */
  readonly parameters: unknown;
}

/** What an answer is to be. */
export type Wanted =
  | { readonly kind: 'prose' }
  | { readonly kind: 'call'; readonly tools: readonly Tool[]; readonly marked: boolean }
  | { readonly kind: 'json'; readonly schema: unknown }
  | { readonly kind: 'literal'; readonly text: string };

interface ScriptOptions {
  readonly prompt: readonly number[];
  readonly seed: number;
  /** Which of the `n` answers. */
  readonly index: number;
  readonly wanted: Wanted;
  readonly reasoning: boolean;
  readonly minTokens: number;
}

/** The text of a tool call as a model writes it, in the pieces that a tool parser makes of it. */
function callTokens(tool: Tool, call: number, marked: boolean, next: () => number): ScriptToken[] {
  // A parser passes the name on when it is complete; a function may be called nothing, too.
  const name = scriptTokens(tool.name === '' ? '"' : tool.name, 'hidden');
  const named: ScriptToken = { id: name.at(-1)!.id, text: tool.name, json: JSON.stringify(tool.name), part: 'tool-name', call };
  return [
    ...(marked ? scriptTokens('<tool_call>\n', 'hidden') : []),
    ...scriptTokens('{"name": "', 'hidden'),
    ...name.slice(0, -1),
    named,
    ...scriptTokens('", "arguments": ', 'hidden'),
    ...scriptTokens(JSON.stringify(instanceOf(tool.parameters ?? {}, next)), 'tool-arguments', call),
    ...scriptTokens(marked ? '}\n</tool_call>' : '}', 'hidden'),
  ];
}

/** What the simulation answers. The same prompt, seed and index give the same answer. */
export function writeScript(options: ScriptOptions): Script {
  const seed = seedOf(options.prompt, options.seed, options.index);
  const next = chance(seed ^ 0x5f356495);
  const thinking = options.reasoning ? reasoningTokens() : [];
  const { wanted } = options;
  switch (wanted.kind) {
    case 'prose': {
      const prose = Prose.after(options.prompt, options.seed, options.index, options.minTokens);
      return thinking.length === 0 ? prose : new Recital(thinking, prose);
    }
    case 'call': {
      const calls = wanted.tools.flatMap((tool, call) => callTokens(tool, call, wanted.marked, next));
      return new Recital([...thinking, ...calls]);
    }
    case 'json':
      return new Recital([...thinking, ...scriptTokens(JSON.stringify(instanceOf(wanted.schema, next)), 'content')]);
    case 'literal':
      return new Recital([...thinking, ...scriptTokens(wanted.text, 'content')]);
  }
}

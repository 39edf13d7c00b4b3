import type { Prompt } from './prompts.ts';

/** A mistake in a file of prompts or arrivals, with its line. */
export class WorkloadError extends Error {
  override readonly name = 'WorkloadError';
}

/** No run wants more; a file is read whole. */
const MOST_LINES = 1_000_000;

/**
 * Prompts of a JSONL file, in its order: `{"prompt": …}`, `{"messages": […]}`, the lines of a batch (`{"body": …}`) or ShareGPT's
 * (`{"conversations": [{"from", "value"}]}`); `output_tokens` or `max_tokens` says how long the answer is to be.
 * @throws WorkloadError with the number of the line
 */
export function promptsOf(text: string, name: string): Prompt[] {
  const prompts = jsonLines(text, name).map(({ value, line }) => promptOf(value) ?? raise(name, line, NO_PROMPT));
  if (prompts.length === 0) raise(name, 1, 'there is no prompt in it');
  return prompts;
}

const NO_PROMPT = 'this is no prompt: it needs "prompt", "messages", "body" or "conversations"';

/** The objects of a JSONL file, with their lines. @throws WorkloadError */
export function jsonLines(text: string, name: string): { readonly value: Readonly<Record<string, unknown>>; readonly line: number }[] {
  const lines = text.split('\n');
  if (lines.length > MOST_LINES) raise(name, MOST_LINES, `it has more than ${MOST_LINES} lines`);
  return lines.flatMap((line, i) => (line.trim() === '' ? [] : [{ value: objectOf(line, name, i + 1), line: i + 1 }]));
}

export function raise(name: string, line: number, problem: string): never {
  throw new WorkloadError(`${name}:${line}: ${problem}`);
}

function objectOf(line: string, name: string, number: number): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    raise(name, number, `this is no JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) raise(name, number, 'this is no object');
  return value as Readonly<Record<string, unknown>>;
}

function promptOf(line: Readonly<Record<string, unknown>>): Prompt | null {
  const { body, conversations } = line;
  if (typeof body === 'object' && body !== null) return promptOf(body as Readonly<Record<string, unknown>>);
  if (Array.isArray(conversations)) {
    const first = (conversations as readonly { readonly from?: unknown; readonly value?: unknown }[]).find(({ from }) => from === 'human');
    return typeof first?.value === 'string' ? { text: first.value, outputTokens: null, fields: null } : null;
  }
  // Which model, and whether it streams, is for the run to say.
  const { prompt, messages, output_tokens, model: _model, stream: _stream, stream_options: _options, ...others } = line;
  const fields: Record<string, unknown> = others;
  const max = [output_tokens, fields['max_tokens'], fields['max_completion_tokens']].find((value) => typeof value === 'number');
  const outputTokens = typeof max === 'number' ? max : null;
  delete fields['max_tokens'];
  delete fields['max_completion_tokens'];
  if (typeof prompt === 'string') return { text: prompt, outputTokens, fields };
  return Array.isArray(messages) ? { text: textOf(messages), outputTokens, fields: { ...fields, messages } } : null;
}

/** What the messages say, for a run that asks by completions. */
function textOf(messages: readonly unknown[]): string {
  const texts = messages.map((message) => (message as { readonly content?: unknown } | null)?.content);
  return texts.filter((text) => typeof text === 'string').join('\n');
}

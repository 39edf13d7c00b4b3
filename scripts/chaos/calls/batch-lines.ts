import { type Batch, chatLine, faultsOf, resultsOf, submit, whenEnded } from '../../shows/batch.ts';
import { answerOf, promptOf } from '../law/mark.ts';

/** A batch on its way. */
export interface Lines {
  readonly id: string;
  readonly names: readonly string[];
}

const WORDS = 4;

/** Sends a batch of so many lines. `name`: the beginning of their marks. @throws Error where it is refused */
export async function submitLines(base: string, count: number, name: string, model = 'm'): Promise<Lines> {
  const names = Array.from({ length: count }, (_, at) => `${name}-${at}`);
  const id = await submit(
    base,
    names.map((line) => chatLine(line, promptOf({ id: line, words: WORDS }), model, WORDS)),
  );
  return { id, names };
}

export interface LinesSeen {
  readonly lines: number;
  readonly failed: number;
  /** What is wrong with them, in words. */
  readonly faults: readonly string[];
}

/** Waits for the end of a batch and holds its results: each line in one file, once, with its own answer. `isMarked`: answers are marks. */
export async function linesSeen(base: string, { id, names }: Lines, limitMs: number, isMarked = true): Promise<LinesSeen> {
  let batch: Batch;
  try {
    batch = await whenEnded(base, id, limitMs);
  } catch (error) {
    return { lines: names.length, failed: 0, faults: [(error as Error).message] };
  }
  const [output, errors] = [await resultsOf(base, batch.output_file_id), await resultsOf(base, batch.error_file_id)];
  const faults = faultsOf(batch, names, output, errors);
  for (const { custom_id: name, response } of isMarked ? output : []) {
    const body = response?.body as { readonly choices?: readonly { readonly message?: { readonly content?: string } }[] } | undefined;
    const text = body?.choices?.[0]?.message?.content;
    if (text !== answerOf({ id: name, words: WORDS })) faults.push(`line ${name} was given another answer: ${String(text).slice(0, 60)}`);
  }
  return { lines: names.length, failed: errors.length, faults };
}

/** What a call asks for: an answer that names it in each of its words, so that a word of somebody else's, or one too many, shows. */
export interface Mark {
  readonly id: string;
  readonly words: number;
}

const PROMPT = /^mark ([\w-]+) words (\d+)$/;

export function promptOf({ id, words }: Mark): string {
  return `mark ${id} words ${words}`;
}

/** null: the prompt has no mark. */
export function markOf(prompt: string): Mark | null {
  const found = PROMPT.exec(prompt);
  return found === null ? null : { id: found[1]!, words: Number(found[2]) };
}

export function wordsOf({ id, words }: Mark): readonly string[] {
  return Array.from({ length: words }, (_, at) => `${id}.${at} `);
}

/** The whole answer to a call with that mark. */
export function answerOf(mark: Mark): string {
  return wordsOf(mark).join('');
}

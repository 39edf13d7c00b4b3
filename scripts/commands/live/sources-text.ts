import type { SourceStatus } from '../../../gateway/http/pages/admin-answers.ts';

/** A place where workers are looked for, on a line: "kubernetes default/vllm: 3 workers, 1 of them about to end". */
export function sourceText({ source, answers, message, workers, ending }: SourceStatus): string {
  const found = `${workers} ${workers === 1 ? 'worker' : 'workers'}${ending > 0 ? `, ${ending} of them about to end` : ''}`;
  if (answers === null) return `${source}: has not answered yet`;
  if (answers) return `${source}: ${found}`;
  return `${source} ${message}; ${workers === 0 ? 'no worker of it is known' : `${found}, as it said last`}`;
}

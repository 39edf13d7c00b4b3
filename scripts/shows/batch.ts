import { until } from './scene.ts';

/** What is read of a batch. */
export interface Batch {
  readonly id: string;
  readonly status: string;
  readonly output_file_id: string | null;
  readonly error_file_id: string | null;
  readonly request_counts: { readonly total: number; readonly completed: number; readonly failed: number };
  readonly errors: unknown;
}

/** A line of a file of results. */
export interface ResultLine {
  readonly custom_id: string;
  readonly response: {
    readonly status_code: number;
    readonly body: { readonly model?: string; readonly error?: { readonly code: string } };
  } | null;
}

const ENDED = new Set(['completed', 'failed', 'expired', 'cancelled']);

/** A chat as a line of input. */
export function chatLine(customId: string, content: string, model: string, maxTokens: number): string {
  const body = { model, messages: [{ role: 'user', content }], max_tokens: maxTokens };
  return JSON.stringify({ custom_id: customId, method: 'POST', url: '/v1/chat/completions', body });
}

/** Sends a file with the purpose `batch`. @returns its id */
export async function upload(url: string, lines: readonly string[] | Blob): Promise<string> {
  const form = new FormData();
  form.set('purpose', 'batch');
  form.set('file', lines instanceof Blob ? lines : new Blob([`${lines.join('\n')}\n`]), 'input.jsonl');
  const { id } = (await asked(`${url}/v1/files`, { method: 'POST', body: form })) as { id: string };
  return id;
}

/** @returns the id of the batch */
export async function submit(url: string, lines: readonly string[]): Promise<string> {
  return submitFile(url, await upload(url, lines));
}

export async function submitFile(url: string, file: string): Promise<string> {
  const body = JSON.stringify({ input_file_id: file, endpoint: '/v1/chat/completions', completion_window: '24h' });
  const batch = await asked(`${url}/v1/batches`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  return (batch as Batch).id;
}

/** null: nobody answers. */
export async function batchOf(url: string, id: string): Promise<Batch | null> {
  return asked(`${url}/v1/batches/${id}`).then(
    (batch) => batch as Batch,
    () => null,
  );
}

/** Lines that have ended; null: nobody answers. */
export async function endedLines(url: string, id: string): Promise<number | null> {
  const counts = (await batchOf(url, id))?.request_counts;
  return counts === undefined ? null : counts.completed + counts.failed;
}

/** The batch at its end. */
export async function whenEnded(url: string, id: string, limitMs: number): Promise<Batch> {
  let batch: Batch | null = null;
  await until(
    async () => {
      batch = await batchOf(url, id);
      return ENDED.has(batch?.status ?? '');
    },
    `the end of the batch ${id}`,
    limitMs,
  );
  return batch!;
}

/** Lines of a file of results, none where there is no file. */
export async function resultsOf(url: string, file: string | null): Promise<ResultLine[]> {
  if (file === null) return [];
  const text = await (await fetch(`${url}/v1/files/${file}/content`)).text();
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as ResultLine);
}

/** What is wrong with the results of an ended batch of lines with these names; none where each is in one file, once, and is counted. */
export function faultsOf(batch: Batch, names: readonly string[], output: readonly ResultLine[], errors: readonly ResultLine[]): string[] {
  const faults: string[] = [];
  const { total, completed, failed } = batch.request_counts;
  if (batch.status !== 'completed') faults.push(`the batch is ${batch.status}`);
  if (total !== names.length) faults.push(`it counts ${total} lines of ${names.length}`);
  if (completed !== output.length || failed !== errors.length)
    faults.push(`it counts ${completed} and ${failed}, and its files have ${output.length} and ${errors.length} lines`);
  const seen = new Map<string, number>();
  for (const { custom_id: name } of [...output, ...errors]) seen.set(name, (seen.get(name) ?? 0) + 1);
  const missing = names.filter((name) => !seen.has(name));
  const twice = [...seen].filter(([, times]) => times > 1).map(([name]) => name);
  const strange = [...seen.keys()].filter((name) => !names.includes(name));
  for (const [what, which] of [
    ['missing', missing],
    ['there twice', twice],
    ['nobody’s', strange],
  ] as const)
    if (which.length > 0) faults.push(`${which.length} lines are ${what}: ${which.slice(0, 5).join(', ')}`);
  return faults;
}

async function asked(url: string, init?: RequestInit): Promise<unknown> {
  const response = await fetch(url, init);
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}

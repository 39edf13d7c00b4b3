import type { TestGateway } from '../support/gateway.ts';
import { until } from '../support/gateway.ts';

/** What is read of a batch. */
export interface BatchSeen {
  readonly id: string;
  readonly status: string;
  readonly output_file_id: string | null;
  readonly error_file_id: string | null;
  readonly request_counts: { readonly total: number; readonly completed: number; readonly failed: number };
  readonly usage: { readonly input_tokens: number; readonly output_tokens: number };
}

export interface LineSeen {
  readonly custom_id: string;
  readonly response: { readonly status_code: number; readonly body: Record<string, unknown> } | null;
  readonly error: { readonly code: string } | null;
}

export type Asked = RequestInit['headers'];

export function inputLine(customId: string, content: string, model = 'm'): string {
  const body = { model, messages: [{ role: 'user', content }] };
  return JSON.stringify({ custom_id: customId, method: 'POST', url: '/v1/chat/completions', body });
}

/** Uploads the lines and makes a batch of them. @returns its id */
export async function submit(
  url: string,
  lines: readonly string[],
  headers: Asked = {},
  endpoint = '/v1/chat/completions',
): Promise<string> {
  const form = new FormData();
  form.append('purpose', 'batch');
  form.append('file', new Blob([`${lines.join('\n')}\n`]), 'input.jsonl');
  const file = (await (await fetch(`${url}/v1/files`, { method: 'POST', headers, body: form })).json()) as { id: string };
  const body = JSON.stringify({ input_file_id: file.id, endpoint, completion_window: '24h' });
  const made = await fetch(`${url}/v1/batches`, { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body });
  const batch = (await made.json()) as BatchSeen;
  if (made.status !== 200) throw new Error(JSON.stringify(batch));
  return batch.id;
}

export async function batchOf(url: string, id: string, headers: Asked = {}): Promise<BatchSeen> {
  return (await (await fetch(`${url}/v1/batches/${id}`, { headers })).json()) as BatchSeen;
}

export async function linesOf(url: string, file: string | null, headers: Asked = {}): Promise<LineSeen[]> {
  if (file === null) return [];
  const text = await (await fetch(`${url}/v1/files/${file}/content`, { headers })).text();
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LineSeen);
}

const ENDED = new Set(['completed', 'failed', 'expired', 'cancelled']);

/** The batch at its end, and what its files hold. */
export async function ended({ url }: Pick<TestGateway, 'url'>, id: string, headers: Asked = {}) {
  let batch = await batchOf(url, id, headers);
  await until(
    async () => {
      batch = await batchOf(url, id, headers);
      return ENDED.has(batch.status);
    },
    `the end of ${id}`,
    90_000,
  );
  return { batch, output: await linesOf(url, batch.output_file_id, headers), errors: await linesOf(url, batch.error_file_id, headers) };
}

import type { BatchObject } from '../../../gateway/batches/batch-object.ts';
import type { OperatorBatch } from '../../../gateway/batches/operator-view.ts';
import { columns } from '../../../gateway/core/log/columns.ts';
import { plainText } from '../../../gateway/core/secrets/plain-text.ts';
import type { OperatorBatches } from '../../../gateway/http/stored/batches.ts';
import { type BatchContext, failed } from './context.ts';
import { pauseWords, timeText } from './list.ts';
import { duration } from './progress.ts';
import { askAdmin, askApi, type StoredApi } from './stored-api.ts';

const MOST_PAGES = 10;

/** `headgate batch show ID`: what there is to know of it; with an operator's key and no client's, of anybody's, as far as operators see it. */
export async function show(context: BatchContext, id: string, isJson: boolean): Promise<number> {
  const api = await context.api();
  const [told, seen] = await Promise.all([
    askApi<BatchObject>(api, 'GET', `/v1/batches/${encodeURIComponent(id)}`),
    operatorsView(api, id),
  ]);
  if (told.kind === 'failed' && seen === null) return failed(context, told.message);
  const batch = told.kind === 'told' ? told.body : null;
  const json = { ...seen, ...batch };
  context.out.write(isJson ? `${JSON.stringify(json)}\n` : showText(batch, seen, context.clock.wall()));
  return 0;
}

/** null: operators are not asked, or do not know it. */
async function operatorsView(api: StoredApi, id: string): Promise<OperatorBatch | null> {
  if (api.admin === null) return null;
  let after = '';
  for (let page = 0; page < MOST_PAGES; page++) {
    const told = await askAdmin<OperatorBatches>(api, api.admin, `/admin/batches?limit=100${after}`);
    if (told.kind === 'failed') return null;
    const found = told.body.batches.find((batch) => batch.id === id);
    const last = told.body.batches.at(-1);
    if (found || !told.body.has_more || !last) return found ?? null;
    after = `&after=${encodeURIComponent(last.id)}`;
  }
  return null;
}

/** For a terminal. One of the two is there. @param now wall-clock ms */
export function showText(batch: BatchObject | null, seen: OperatorBatch | null, now: number): string {
  const rows: string[][] = [];
  const add = (name: string, value: string | number | null | undefined): void => {
    if (value !== null && value !== undefined && value !== '') rows.push([name, plainText(String(value))]);
  };
  const either = batch ?? seen!;
  const { total, completed, failed: bad } = either.request_counts;
  add('batch', either.id);
  add('status', either.status);
  add('owner', seen?.owner);
  add('name', seen?.name);
  add('endpoint', either.endpoint);
  add(
    'model',
    either.model ??
      Object.entries(seen?.models ?? {})
        .map(([model, lines]) => `${model} (${lines} lines left)`)
        .join(', '),
  );
  add('lines', `${total}: ${completed} completed, ${bad} failed, ${total - completed - bad} not ended`);
  if (seen !== null && seen.pause !== null) add(...pauseWords(seen.pause, now));
  if (seen !== null && seen.lines_per_second !== null) add('rate', `${seen.lines_per_second} lines/s`);
  if (seen !== null && seen.eta_seconds !== null) add('left', `about ${duration(seen.eta_seconds)}`);
  if (batch === null) {
    add('created', timeText(Date.parse(seen!.created_at) / 1_000));
    add('expires', timeText(Date.parse(seen!.expires_at) / 1_000));
    return `${columns(rows).join('\n')}\n`;
  }
  const { usage } = batch;
  const cached = usage.input_tokens_details.cached_tokens;
  if (usage.total_tokens > 0) add('tokens', `${usage.input_tokens} in (${cached} cached), ${usage.output_tokens} out`);
  for (const name of TIMES) {
    const at = batch[`${name}_at`];
    if (at !== null) add(name.replace('_', ' '), timeText(at));
  }
  add('input', batch.input_file_id);
  add('results', batch.output_file_id);
  add('failed lines', batch.error_file_id);
  for (const [key, value] of Object.entries(batch.metadata ?? {})) add('metadata', `${key}=${value}`);
  const errors = (batch.errors?.data ?? []).map(
    ({ line, code, message }) => `${line === null ? 'all' : `line ${line}`}: ${message} (${code})`,
  );
  return `${[...columns(rows), ...(errors.length === 0 ? [] : ['', ...errors.map(plainText)])].join('\n')}\n`;
}

const TIMES = ['created', 'in_progress', 'finalizing', 'completed', 'failed', 'expired', 'cancelling', 'cancelled', 'expires'] as const;

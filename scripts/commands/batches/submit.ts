import type { BatchObject } from '../../../gateway/batches/batch-object.ts';
import { type BatchContext, failed } from './context.ts';
import { lookAt } from './input.ts';
import { askApi } from './stored-api.ts';
import { upload } from './upload.ts';
import { watch } from './watch.ts';

export interface SubmitAsked {
  /** '-': what comes from standard input. */
  readonly file: string;
  /** null: what the first line is for. */
  readonly endpoint: string | null;
  readonly window: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly isWatched: boolean;
}

/** `headgate batch submit FILE`: sends the file and makes a batch of it, whose id is all that is written to standard output. */
export async function submit(context: BatchContext, { file, endpoint, window, metadata, isWatched }: SubmitAsked): Promise<number> {
  const looked = await lookAt(file);
  if (looked.kind === 'wrong') return failed(context, looked.message);
  const { sent: input, first } = looked;
  const url = urlOf(first);
  if (url === undefined) {
    input.discard();
    return failed(context, `${input.what} is no JSONL: its first line is not a JSON object. A batch has a request on each line.`);
  }
  const chosen = endpoint ?? url;
  if (chosen === null) {
    input.discard();
    return failed(context, `The first line of ${input.what} has no "url": say --endpoint /v1/chat/completions, or another.`);
  }
  const api = await context.api();
  const sent = await upload(api, context.clock, input);
  if (sent.kind === 'failed') return failed(context, sent.message);
  const asked = {
    input_file_id: sent.body.id,
    endpoint: chosen,
    completion_window: window,
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
  };
  const made = await askApi<BatchObject>(api, 'POST', '/v1/batches', asked);
  if (made.kind === 'failed') return failed(context, `${made.message} The file is there: ${sent.body.id}.`);
  context.out.write(`${made.body.id}\n`);
  return isWatched ? watch(context, api, made.body.id) : 0;
}

/** undefined: it is no JSON object; null: it has none. */
function urlOf(line: Buffer): string | null | undefined {
  try {
    const value: unknown = JSON.parse(line.toString('utf8'));
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    const { url } = value as { url?: unknown };
    return typeof url === 'string' ? url : null;
  } catch {
    return undefined;
  }
}

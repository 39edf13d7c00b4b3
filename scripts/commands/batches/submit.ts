import { open, stat } from 'node:fs/promises';
import type { BatchObject } from '../../../gateway/batches/batch-object.ts';
import { LineCutter } from '../../../gateway/batches/line-cutter.ts';
import { type BatchContext, failed } from './context.ts';
import { askApi } from './stored-api.ts';
import { upload } from './upload.ts';
import { watch } from './watch.ts';

const BLOCK_BYTES = 65_536;
const MOST_LINE_BYTES = 16 * 1024 * 1024;

export interface SubmitAsked {
  readonly file: string;
  /** null: what the first line is for. */
  readonly endpoint: string | null;
  readonly window: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly isWatched: boolean;
}

/** `headgate batch submit FILE`: sends the file and makes a batch of it, whose id is all that is written to standard output. */
export async function submit(context: BatchContext, { file, endpoint, window, metadata, isWatched }: SubmitAsked): Promise<number> {
  const looked = await look(file);
  if (looked.kind === 'wrong') return failed(context, looked.message);
  const chosen = endpoint ?? looked.url;
  if (chosen === null) return failed(context, `The first line of ${file} has no "url": say --endpoint /v1/chat/completions, or another.`);
  const api = await context.api();
  const sent = await upload(api, context.clock, file, looked.bytes);
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

type Looked =
  | { readonly kind: 'looked'; readonly bytes: number; readonly url: string | null }
  | { readonly kind: 'wrong'; readonly message: string };

/** Looks at the first line: what is no input of a batch is not sent. All others the gateway looks at. */
async function look(path: string): Promise<Looked> {
  try {
    const found = await stat(path);
    if (!found.isFile()) return { kind: 'wrong', message: `${path} is no file.` };
    if (found.size === 0) return { kind: 'wrong', message: `${path} is empty.` };
    const first = await firstLine(path);
    if (first === null) return { kind: 'wrong', message: `${path} holds no line.` };
    const url = urlOf(first);
    return url === undefined
      ? { kind: 'wrong', message: `${path} is no JSONL: its first line is not a JSON object. A batch has a request on each line.` }
      : { kind: 'looked', bytes: found.size, url };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { kind: 'wrong', message: code === 'ENOENT' ? `There is no file ${path}.` : `${path} cannot be read: ${code ?? message}.` };
  }
}

async function firstLine(path: string): Promise<Buffer | null> {
  const cutter = new LineCutter(MOST_LINE_BYTES);
  await using handle = await open(path);
  const block = Buffer.alloc(BLOCK_BYTES);
  for (let at = 0; at <= MOST_LINE_BYTES;) {
    const { bytesRead } = await handle.read(block, 0, block.length, at);
    at += bytesRead;
    for (const line of bytesRead === 0 ? cutter.end() : cutter.cut(block.subarray(0, bytesRead))) return line.bytes;
    if (bytesRead === 0) return null;
  }
  return Buffer.alloc(0);
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

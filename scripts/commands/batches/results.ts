import { open, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { finished } from 'node:stream/promises';
import type { BatchObject } from '../../../gateway/batches/batch-object.ts';
import { hasEnded } from '../../../gateway/batches/life.ts';
import { type BatchContext, failed, note } from './context.ts';
import { download } from './download.ts';
import { EachOnce, follow as followed } from './follow.ts';
import { askApi, type StoredApi, type Told } from './stored-api.ts';
import { untilEnded } from './watch.ts';

export interface ResultsAsked {
  readonly id: string;
  /** null: standard output. */
  readonly output: string | null;
  /** Of the lines that failed. */
  readonly errors: boolean;
  /** Waits until it has ended; what goes to standard output comes as it is written. */
  readonly follow: boolean;
}

/** `headgate batch results ID`: the lines that it has written. */
export async function results(context: BatchContext, { id, output, errors, follow }: ResultsAsked): Promise<number> {
  const api = await context.api();
  const lines = new EachOnce(context.out);
  try {
    const stopped = follow && output === null ? await followed(context, api, id, errors, lines) : null;
    if (stopped !== null) return failed(context, stopped.message);
  } catch (error) {
    return unwritten(context, error, output);
  }
  const ended = follow ? await untilEnded(context, api, id, 'silently') : await now(api, id);
  if ('kind' in ended) return failed(context, ended.message);
  if (!hasEnded(ended.status)) {
    const { total, completed, failed: bad } = ended.request_counts;
    return failed(context, `${id} has not ended (${ended.status}, ${completed + bad} of ${total} lines): --follow waits for it.`);
  }
  const file = errors ? ended.error_file_id : ended.output_file_id;
  if (file === null) {
    if (!errors) return failed(context, `${id} (${ended.status}) has no results: no line of it was completed.`);
    note(context, `${id} has no lines that failed.`);
    return 0;
  }
  try {
    const told = await (output === null ? rest(context, api, file, lines) : saveTo(output, api, file));
    return told.kind === 'failed' ? failed(context, told.message) : 0;
  } catch (error) {
    return unwritten(context, error, output);
  }
}

function unwritten(context: BatchContext, error: unknown, output: string | null): number {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' && output !== null) {
    return failed(context, `The results cannot be written: there is no folder ${dirname(output)}. Make it, or name another file with -o.`);
  }
  if (code === 'EISDIR' && output !== null) return failed(context, `${output} is a folder: name a file with -o.`);
  // Whoever read has had enough.
  return code === 'EPIPE' ? 0 : failed(context, `The results cannot be written: ${message}`);
}

/** All of the file, but for lines that have been written. */
async function rest({ out }: BatchContext, api: StoredApi, file: string, lines: EachOnce): Promise<Told<number>> {
  if (lines.isEmpty) return download(api, file, out);
  const stream = lines.stream();
  const told = await download(api, file, stream);
  stream.end();
  await finished(stream);
  return told;
}

async function now(api: StoredApi, id: string) {
  const told = await askApi<BatchObject>(api, 'GET', `/v1/batches/${encodeURIComponent(id)}`);
  return told.kind === 'told' ? told.body : told;
}

/** Whole, or not at all: what stood there stays until all has come. A device or a pipe takes it as it comes. @throws what the disk says */
export async function saveTo(path: string, api: StoredApi, file: string): Promise<Told<number>> {
  const found = await stat(path).catch(() => null);
  if (found !== null && !found.isFile()) return written(path, api, file);
  const target = found === null ? path : await realpath(path);
  const draft = `${target}.${process.pid}.part`;
  try {
    const told = await written(draft, api, file);
    if (told.kind === 'told') await rename(draft, target);
    return told;
  } finally {
    await rm(draft, { force: true });
  }
}

async function written(path: string, api: StoredApi, file: string): Promise<Told<number>> {
  const stream = (await open(path, 'w')).createWriteStream();
  try {
    const told = await download(api, file, stream);
    stream.end();
    await finished(stream);
    return told;
  } finally {
    stream.destroy();
  }
}

import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { basename } from 'node:path';
import { urlToHttpOptions } from 'node:url';
import { answered, authorization, notThere, type StoredApi, type Told } from './stored-api.ts';

const { request } = process.getBuiltinModule('node:http');

/** A disk may take long to have it all. */
const SILENCE_MS = 300_000;
const PIECE_BYTES = 262_144;
const MOST_ANSWER_CHARS = 1_048_576;

/** Sends a file of so many bytes as the input of batches, piece by piece. Never throws. @returns its id */
export function upload(api: StoredApi, path: string, bytes: number): Promise<Told<{ readonly id: string }>> {
  const boundary = `headgate-${randomUUID()}`;
  const name = basename(path).replaceAll(/["\r\n]/g, '_');
  const head = Buffer.from(
    `--${boundary}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n` +
      `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="${name}"\r\ncontent-type: application/jsonl\r\n\r\n`,
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  return new Promise((resolve) => {
    const outgoing = request({
      ...urlToHttpOptions(new URL(`${api.base}/v1/files`)),
      agent: false,
      method: 'POST',
      timeout: SILENCE_MS,
      headers: {
        ...authorization(api.key),
        'content-type': `multipart/form-data; boundary=${boundary}`,
        'content-length': head.length + bytes + tail.length,
      },
    });
    // No more than was promised, should somebody add to it meanwhile.
    const file = createReadStream(path, { highWaterMark: PIECE_BYTES, start: 0, end: Math.max(0, bytes - 1) });
    const end = (told: Told<{ readonly id: string }>): void => {
      resolve(told);
      file.destroy();
      outgoing.destroy();
    };
    // It may come before all has been sent: a refusal.
    outgoing.on('response', (response) => {
      readAll(response).then(
        (text) => end(answered(api, response.statusCode ?? 0, text)),
        (error: unknown) => end(notThere(api, error)),
      );
    });
    outgoing.on('timeout', () => outgoing.destroy(Object.assign(new Error('it did not answer in time'), { code: 'ETIMEDOUT' })));
    outgoing.on('error', (error) => end(notThere(api, error)));
    outgoing.write(head);
    file.on('error', (error) => end({ kind: 'failed', message: `${path}: ${error.message}`, status: null, isAway: false }));
    file.on('end', () => outgoing.end(tail));
    file.pipe(outgoing, { end: false });
  });
}

async function readAll(response: IncomingMessage): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  for await (const piece of response) {
    text += piece as string;
    if (text.length > MOST_ANSWER_CHARS) throw new Error('its answer is too long');
  }
  return text;
}

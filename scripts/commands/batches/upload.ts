import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { urlToHttpOptions } from 'node:url';
import type { Clock, Timer } from '../../../gateway/core/clock.ts';
import { answered, authorization, notThere, type StoredApi, type Told } from './stored-api.ts';

const { request } = process.getBuiltinModule('node:http');

/** What stands between may not know that the file waits for a word. */
const WORD_MS = 3_000;
/** A disk may take long to have it all. */
const SILENCE_MS = 300_000;
const MOST_ANSWER_CHARS = 1_048_576;

/** What is sent. */
export interface Sent {
  /** As messages call it. */
  readonly what: string;
  /** As the file is called from then on. */
  readonly name: string;
  /** How many there will be, exactly; null: nobody knows yet. */
  readonly bytes: number | null;
  /** Called once, when they are wanted. */
  readonly open: () => Readable;
  /** Nothing more of it is wanted. */
  readonly discard: () => void;
}

/** Sends the input of batches, piece by piece. Never throws. @returns the id of the file that it has become */
export function upload(
  api: StoredApi,
  clock: Clock,
  { what, name: called, bytes, open, discard }: Sent,
): Promise<Told<{ readonly id: string }>> {
  const boundary = `headgate-${randomUUID()}`;
  const name = called.replaceAll(/["\r\n]/g, '_');
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
        ...(bytes === null ? { 'transfer-encoding': 'chunked' } : { 'content-length': head.length + bytes + tail.length }),
        // A refusal to one who sends could be lost.
        expect: '100-continue',
      },
    });
    const file = open();
    const sent = { any: false };
    let word: Timer = { cancel() {} };
    const end = (told: Told<{ readonly id: string }>): void => {
      resolve(told);
      word.cancel();
      file.destroy();
      discard();
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
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      const { kind, message, status, isAway } = notThere(api, error);
      const broken = `The gateway on ${api.base} broke the upload off (${error.code ?? error.message}).`;
      end({ kind, message: sent.any ? broken : message, status, isAway });
    });
    file.on('error', (error) => end({ kind: 'failed', message: `${what}: ${error.message}`, status: null, isAway: false }));
    file.on('end', () => outgoing.end(tail));
    const send = (): void => {
      if (sent.any || outgoing.destroyed) return;
      sent.any = true;
      outgoing.write(head);
      file.pipe(outgoing, { end: false });
    };
    outgoing.on('continue', send);
    const connected = (): void => void (word = clock.after(WORD_MS, send));
    outgoing.on('socket', (socket) => (socket.connecting ? socket.once('connect', connected) : connected()));
    outgoing.flushHeaders();
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

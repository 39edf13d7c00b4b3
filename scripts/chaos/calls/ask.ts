import { type ClientRequest, request } from 'node:http';
import type { CallSeen, Ending } from '../law/call-seen.ts';
import { type Mark, promptOf } from '../law/mark.ts';
import { AnswerReader, NO_ANSWER } from './answer-reader.ts';

export interface Asked {
  readonly mark: Mark;
  readonly stream: boolean;
  /** After so long the client goes away. */
  readonly leaveMs?: number;
  /** It rests for so many milliseconds after each 64 KiB of the answer. */
  readonly restMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Other fields of the body. */
  readonly extra?: Readonly<Record<string, unknown>>;
  /** Instead of the mark. */
  readonly prompt?: string;
  /** A call that has not ended by then is given up, as late. */
  readonly limitMs: number;
}

const REST_AFTER = 64 * 1024;

/** One chat, by a client that looks closely. Never rejects. */
export function ask(base: string, asked: Asked): Promise<CallSeen> {
  const { mark, stream, limitMs, leaveMs, extra, prompt } = asked;
  const sentMs = performance.now();
  return new Promise((resolve) => {
    let reader: AnswerReader | null = null;
    let head: Head = { status: 0, retryAfter: null, reason: null };
    let hasEnded = false;
    const end = (ending: Ending | null, code: string | null, isWhole = false): void => {
      if (hasEnded) return;
      hasEnded = true;
      for (const timer of timers) clearTimeout(timer);
      const answer = reader?.end(isWhole) ?? { ending: 'cut' as const, code, ...NO_ANSWER };
      sent.destroy();
      const common = { id: mark.id, mark, stream, sentMs, endMs: performance.now(), ...head };
      resolve({ ...common, ...answer, ending: ending ?? answer.ending, code: ending === null && reader ? answer.code : code });
    };
    const messages = [{ role: 'user', content: prompt ?? promptOf(mark) }];
    const body = JSON.stringify({ messages, stream, max_tokens: mark.words, ...extra });
    const sent = send(base, body, asked, end, (given, type) => {
      head = given;
      return (reader = new AnswerReader(given.status, type, stream));
    });
    const timers = [setTimeout(() => end('late', 'late'), limitMs)];
    if (leaveMs !== undefined) timers.push(setTimeout(() => end('left', null), leaveMs));
  });
}

type Head = Pick<CallSeen, 'status' | 'retryAfter' | 'reason'>;
type End = (ending: Ending | null, code: string | null, isWhole?: boolean) => void;

function send(
  base: string,
  body: string,
  { mark, headers, restMs }: Asked,
  end: End,
  begin: (head: Head, type: string) => AnswerReader,
): ClientRequest {
  const { hostname, port } = new URL(base);
  const all = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), 'x-request-id': mark.id, ...headers };
  const options = { hostname, port, path: '/v1/chat/completions', method: 'POST', headers: all, agent: false };
  const sent = request(options, (response) => {
    const { 'retry-after': retryAfter = null, 'x-headgate-reason': reason = null } = response.headers;
    const head = { status: response.statusCode ?? 0, retryAfter, reason: reason === null ? null : String(reason) };
    const reader = begin(head, response.headers['content-type'] ?? '');
    let unrested = 0;
    response.on('data', (piece: Buffer) => {
      reader.take(piece);
      unrested += piece.length;
      if (restMs === undefined || unrested < REST_AFTER) return;
      unrested = 0;
      response.pause();
      setTimeout(() => response.resume(), restMs).unref();
    });
    response.once('end', () => end(null, null, response.complete));
    response.once('error', (error: NodeJS.ErrnoException) => end(null, error.code ?? error.message));
    response.once('close', () => end(null, 'closed', response.complete));
  });
  sent.once('error', (error: NodeJS.ErrnoException) => end(null, error.code ?? error.message));
  sent.end(body);
  return sent;
}

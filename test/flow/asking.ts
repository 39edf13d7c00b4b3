import { expect } from 'vitest';

export const CHAT_PATH = '/v1/chat/completions';

export interface AskOptions {
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** POSTs JSON; a string or Buffer goes out as it is. */
export function ask(url: string, body: object | string, options: AskOptions = {}): Promise<Response> {
  return fetch(`${url}${options.path ?? CHAT_PATH}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...options.headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...(options.signal ? { signal: options.signal } : {}),
  });
}

/** The smallest chat there is. */
export function chat(extra: object = {}): object {
  return { model: 'm', messages: [{ role: 'user', content: 'hi' }], ...extra };
}

/** The `data` of every event of a stream, comments left out. */
export function dataOf(text: string): string[] {
  return text
    .split('\n\n')
    .filter((event) => event !== '')
    .flatMap((event) => event.split('\n').filter((line) => line.startsWith('data: ')))
    .map((line) => line.slice('data: '.length));
}

/** The error with which a stream ended. Fails unless it is the last event, in the one shape that all SDKs read, and the stream is never called done. */
export function errorAtEnd(text: string): { message: string; type: string; param: string | null; code: string } {
  expect(text).not.toContain('[DONE]');
  expect(text.endsWith('\n\n')).toBe(true);
  const last: unknown = JSON.parse(dataOf(text).at(-1) ?? 'null');
  expect(last).toEqual({ error: { message: expect.any(String), type: expect.any(String), param: null, code: expect.any(String) } });
  return (last as { error: ReturnType<typeof errorAtEnd> }).error;
}

/** The text of a chat stream. */
export function contentOf(text: string): string {
  return dataOf(text)
    .filter((data) => data.startsWith('{"id"'))
    .map((data) => (JSON.parse(data) as { choices: { delta?: { content?: string } }[] }).choices[0]?.delta?.content ?? '')
    .join('');
}

/** A stream that is read as it comes. */
export interface Flow {
  readonly response: Response;
  /** What has come so far. */
  text(): string;
  /** Settles when it has ended: 'ended' whatever its last words, 'cut' when the connection broke. */
  readonly over: Promise<'ended' | 'cut'>;
}

/** Begins to read a response's body, and goes on by itself. */
export function flow(response: Response): Flow {
  let text = '';
  const read = async (): Promise<'ended' | 'cut'> => {
    const decoder = new TextDecoder();
    try {
      for await (const piece of response.body!) text += decoder.decode(piece as Uint8Array, { stream: true });
      return 'ended';
    } catch {
      return 'cut';
    }
  };
  return { response, text: () => text, over: read() };
}

/** The body of an error answer, held to its shape. */
export async function errorOf(response: Response): Promise<{ message: string; type: string; param: string | null; code: string | null }> {
  const body: unknown = await response.json();
  expect(response.headers.get('content-type')).toBe('application/json');
  expect(response.headers.get('x-request-id')).toMatch(/^[\w.-]{1,128}$/);
  expect(body).toEqual({
    error: {
      message: expect.any(String),
      type: expect.any(String),
      param: expect.toBeOneOf([null, expect.any(String)]),
      code: expect.toBeOneOf([null, expect.any(String)]),
    },
  });
  return (body as { error: Awaited<ReturnType<typeof errorOf>> }).error;
}

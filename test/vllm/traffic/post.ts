/** What became of a call: its status, 0 where none came, and its whole text. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  /** The text ended before the answer did, or the connection broke. */
  readonly cut: boolean;
}

/** POSTs JSON and reads the answer to its end, or until `leave` says so of the text so far: then the client goes away. */
export async function post(url: string, path: string, body: object, leave?: (text: string) => boolean): Promise<Answer> {
  const leaving = new AbortController();
  let status = 0;
  let text = '';
  try {
    const response = await fetch(url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: leaving.signal,
    });
    status = response.status;
    const decoder = new TextDecoder();
    for await (const piece of response.body!) {
      text += decoder.decode(piece as Uint8Array, { stream: true });
      if (leave?.(text)) leaving.abort();
    }
    return { status, text, cut: false };
  } catch {
    return { status, text, cut: true };
  }
}

/** Whether a stream or a whole answer came to its own end and says of no error. */
export function isWhole({ status, text, cut }: Answer, path: string, stream: boolean): boolean {
  if (status !== 200 || cut || /(?:^data: |^|"type":"error",)\{?"error":/m.test(text)) return false;
  if (!stream) return text.trimEnd().endsWith('}');
  if (path === '/v1/responses') return /^event: response\.(?:completed|incomplete)$/m.test(text);
  return path === '/v1/messages' ? text.includes('event: message_stop') : text.trimEnd().endsWith('data: [DONE]');
}

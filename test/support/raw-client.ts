import * as net from 'node:net';

/** One answer as it came over the wire. */
export interface RawAnswer {
  readonly status: number;
  readonly httpVersion: string;
  /** By lower-case name; repeated ones joined by ", ". */
  readonly headers: Readonly<Record<string, string>>;
  /** Payload, without chunk framing. */
  readonly body: string;
}

/** A connection on which anything can be said, HTTP or not. */
export interface RawClient extends Disposable {
  readonly socket: net.Socket;
  send(bytes: string | Buffer): void;
  /** The next whole answer; interim ones (1xx) count. Rejects when the connection closes first, or nothing comes. */
  answer(): Promise<RawAnswer>;
  /** Everything received and not yet taken by `answer`, as latin1. */
  readonly received: string;
  /** Resolves when the server has ended its side. */
  readonly ended: Promise<void>;
  /** Resolves when the connection is gone, however. */
  readonly closed: Promise<void>;
}

/** How long a client waits for an answer: only tests that fail wait so long. */
const LIMIT_MS = 45_000;

export async function connectRaw(port: number, options: Partial<net.TcpNetConnectOpts> = {}): Promise<RawClient> {
  const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true, ...options });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  let received = '';
  let over = false;
  let wake = (): void => {};
  socket.on('error', () => {});
  socket.on('data', (read: Buffer) => {
    received += read.toString('latin1');
    wake();
  });
  const ended = new Promise<void>((resolve) => socket.once('end', resolve));
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  for (const end of [ended, closed]) {
    void end.then(() => {
      over = true;
      wake();
    });
  }

  async function answer(): Promise<RawAnswer> {
    const limit = AbortSignal.timeout(LIMIT_MS);
    limit.addEventListener('abort', () => wake());
    for (;;) {
      const found = parse(received, over);
      if (found) {
        received = received.slice(found.bytes);
        return found.answer;
      }
      if (over) throw new Error(`the connection was closed before an answer was whole: ${JSON.stringify(received.slice(0, 500))}`);
      if (limit.aborted) throw new Error(`no answer within ${LIMIT_MS} ms: ${JSON.stringify(received.slice(0, 500))}`);
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }

  return {
    socket,
    send: (bytes) => void socket.write(bytes),
    answer,
    get received() {
      return received;
    },
    ended,
    closed,
    [Symbol.dispose]: () => void socket.destroy(),
  };
}

/** Says one thing on a connection of its own and returns the final answer to it. */
export async function ask(port: number, bytes: string | Buffer): Promise<RawAnswer> {
  using client = await connectRaw(port);
  client.send(bytes);
  for (;;) {
    const answer = await client.answer();
    if (answer.status >= 200) return answer;
  }
}

function parse(text: string, over: boolean): { answer: RawAnswer; bytes: number } | null {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const [statusLine = '', ...lines] = text.slice(0, end).split('\r\n');
  const [, httpVersion, status] = /^HTTP\/(\d\.\d) (\d{3})(?: |$)/.exec(statusLine) ?? [];
  if (httpVersion === undefined) throw new Error(`not an answer: ${JSON.stringify(text.slice(0, 200))}`);
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const [, name = '', value = ''] = /^([^:\s]+):\s*(.*)$/.exec(line) ?? [];
    const key = name.toLowerCase();
    headers[key] = headers[key] === undefined ? value : `${headers[key]}, ${value}`;
  }
  const start = end + 4;
  const found = (body: string, bytes: number) => ({ answer: { status: Number(status), httpVersion, headers, body }, bytes });
  if (Number(status) < 200 || status === '204') return found('', start);
  const length = headers['content-length'];
  if (headers['transfer-encoding'] === 'chunked') {
    const body = dechunk(text, start);
    return body && found(body.payload, body.end);
  }
  if (length === undefined) return over ? found(text.slice(start), text.length) : null;
  return text.length < start + Number(length) ? null : found(text.slice(start, start + Number(length)), start + Number(length));
}

function dechunk(text: string, start: number): { payload: string; end: number } | null {
  let payload = '';
  for (let at = start; ;) {
    const line = text.indexOf('\r\n', at);
    if (line < 0) return null;
    const size = Number.parseInt(text.slice(at, line), 16);
    const next = line + 2 + size + 2;
    if (text.length < next) return null;
    payload += text.slice(line + 2, line + 2 + size);
    if (size === 0) return { payload, end: next };
    at = next;
  }
}

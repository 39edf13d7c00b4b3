import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Everything that came, as it came. */
  readonly bytes: Buffer;
}

/** Opens a connection to a port of 127.0.0.1. */
export function dial(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Sends bytes as they are and reads the first answer, or what there was of it when the connection ended. */
export async function send(port: number, request: string | Buffer): Promise<RawAnswer> {
  const socket = await dial(port);
  try {
    socket.write(request);
    return await answerOn(socket);
  } finally {
    socket.destroy();
  }
}

/** Reads one answer: to its content-length, its last chunk, or the end of the connection. */
export function answerOn(socket: Socket): Promise<RawAnswer> {
  return new Promise((resolve) => {
    let bytes = Buffer.alloc(0);
    const finish = (): void => {
      socket.off('data', onData);
      resolve(parse(bytes));
    };
    const onData = (piece: Buffer): void => {
      bytes = Buffer.concat([bytes, piece]);
      if (isWhole(bytes)) finish();
    };
    socket.on('data', onData);
    socket.once('close', finish);
    socket.on('error', () => {});
  });
}

/** A request head and body, with the headers that every request needs. `target` is written as it is. */
export function request(method: string, target: string, headers: Readonly<Record<string, string>> = {}, body = ''): string {
  const all: Record<string, string> = {
    host: '127.0.0.1',
    ...(body === '' ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}

function isWhole(bytes: Buffer): boolean {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return false;
  const { headers } = parse(bytes);
  const length = headers['content-length'];
  if (length !== undefined) return bytes.length >= headEnd + 4 + Number(length);
  return headers['transfer-encoding'] === 'chunked' && bytes.includes('\r\n0\r\n\r\n', headEnd);
}

function parse(bytes: Buffer): RawAnswer {
  const headEnd = bytes.indexOf('\r\n\r\n');
  const [statusLine = '', ...lines] = bytes.toString('latin1', 0, Math.max(0, headEnd)).split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const payload = bytes.subarray(headEnd + 4);
  const body = headers['transfer-encoding'] === 'chunked' ? unchunked(payload) : payload.toString('utf8');
  return { status: Number(statusLine.split(' ')[1] ?? 0), headers, body, bytes };
}

/** The chunks that have come whole. */
function unchunked(payload: Buffer): string {
  const pieces: Buffer[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = payload.indexOf('\r\n', at);
    if (lineEnd < 0) break;
    const size = Number.parseInt(payload.toString('latin1', at, lineEnd), 16);
    if (!(size > 0) || payload.length < lineEnd + 2 + size) break;
    pieces.push(payload.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 4 + size;
  }
  return Buffer.concat(pieces).toString('utf8');
}

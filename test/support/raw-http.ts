import { connect } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  readonly reason: string;
  /** In the order and spelling of the wire. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  /** The HTTP chunks, one entry each; empty for an answer of known length. */
  readonly chunks: readonly string[];
  /** How the answer ended: told to be whole, or by the connection's end. */
  readonly ending: 'complete' | 'closed' | 'reset';
}

export interface RawRequest {
  readonly port: number;
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Gives up after so long: what has come by then is the answer, `reset`, if it has a head. Without it a test's own limit holds. */
  readonly limitMs?: number;
  /** Called with everything received so far, each time something comes. */
  readonly onData?: (received: string) => void;
}

interface Head {
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly (readonly [string, string])[];
}

function parseHead(text: string): Head {
  const [first = '', ...lines] = text.split('\r\n');
  const match = /^HTTP\/1\.1 (\d{3}) ?(.*)$/.exec(first);
  if (match === null) throw new Error(`not a status line: ${first}`);
  const headers = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
  });
  return { status: Number(match[1]), reason: match[2]!, headers };
}

/** The chunks of a chunked body, and whether the last one has come. */
function parseChunks(bytes: Buffer): { readonly chunks: string[]; readonly whole: boolean } {
  const chunks: string[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return { chunks, whole: false };
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    if (size === 0) return { chunks, whole: true };
    if (bytes.length < lineEnd + 2 + size + 2) return { chunks, whole: false };
    chunks.push(bytes.toString('utf8', lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
}

/** A recorded answer: head lines, an empty line, and the body with the chunking already taken off. */
export function parseRecording(text: string): RawAnswer {
  const mark = text.indexOf('\r\n\r\n');
  return { ...parseHead(text.slice(0, mark)), body: text.slice(mark + 4), chunks: [], ending: 'complete' };
}

/** Sends one request on a connection of its own and reads the answer as it is on the wire. */
export function rawRequest(request: RawRequest): Promise<RawAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>();
  const socket = connect(request.port, '127.0.0.1');
  const body = Buffer.from(request.body ?? '');
  const headers = {
    host: `127.0.0.1:${request.port}`,
    ...(body.length === 0 ? {} : { 'content-length': String(body.length) }),
    ...request.headers,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`${request.method ?? (body.length === 0 ? 'GET' : 'POST')} ${request.path} HTTP/1.1\r\n${lines.join('')}\r\n`);
  if (body.length > 0) socket.write(body);
  let bytes = Buffer.alloc(0);

  function finish(ending: RawAnswer['ending']): boolean {
    const mark = bytes.indexOf('\r\n\r\n');
    if (mark < 0) return false;
    const head = parseHead(bytes.toString('utf8', 0, mark));
    const rest = bytes.subarray(mark + 4);
    const find = (name: string): string | undefined => head.headers.find(([key]) => key.toLowerCase() === name)?.[1];
    if (find('transfer-encoding') === 'chunked') {
      const { chunks, whole } = parseChunks(rest);
      if (ending === 'complete' && !whole) return false;
      resolve({ ...head, body: chunks.join(''), chunks, ending });
    } else {
      if (ending === 'complete' && rest.length < Number(find('content-length') ?? 0)) return false;
      resolve({ ...head, body: rest.toString('utf8'), chunks: [], ending });
    }
    socket.destroy();
    return true;
  }

  if (request.limitMs !== undefined) {
    const timer = setTimeout(() => socket.destroy(new Error(`no whole answer within ${request.limitMs} ms`)), request.limitMs);
    socket.once('close', () => clearTimeout(timer));
  }
  socket.on('data', (part: Buffer) => {
    bytes = Buffer.concat([bytes, part]);
    request.onData?.(bytes.toString('utf8'));
    finish('complete');
  });
  socket.on('error', (error) => {
    if (!finish('reset')) reject(error);
  });
  socket.on('end', () => {
    if (!finish('complete') && !finish('closed')) reject(new Error('the connection ended before an answer'));
  });
  return promise;
}

/** `POST` of a JSON body. */
export function rawJson(port: number, path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<RawAnswer> {
  return rawRequest({ port, path, body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } });
}

/** A request's head and body as text, with the headers that every request needs. `target` is written as it is. */
export function rawRequest(method: string, target: string, headers: Readonly<Record<string, string>> = {}, body = ''): string {
  const all: Record<string, string> = {
    host: '127.0.0.1',
    ...(body === '' ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}

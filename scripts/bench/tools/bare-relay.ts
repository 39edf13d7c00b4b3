import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { AnswerReader } from './answer-reader.ts';

// The floor of a relay in Node: node:http in front, kept sockets of its own to the worker behind, and no feature at all. The worker's
// chunk frames pass untouched. Whatever a gateway in Node costs beyond this is what its features cost.
//
//   node bare-relay.ts PORT WORKER_PORT
//
// Prints "listening PORT".

const [port = 0, workerPort = 0] = process.argv.slice(2).map(Number);
const idle: Socket[] = [];
const NOT_PASSED_ON = /^(?:connection|keep-alive|transfer-encoding):/i;
const ignore = (): void => {};

/** The last one that became idle: the longer a socket rests, the sooner the worker closes it. */
function takeSocket(): { readonly socket: Socket; readonly isKept: boolean } {
  const kept = idle.pop();
  if (kept) return { socket: kept, isKept: true };
  const socket = connect({ port: workerPort, host: '127.0.0.1', noDelay: true });
  socket.on('error', ignore);
  socket.on('close', () => {
    const at = idle.indexOf(socket);
    if (at >= 0) idle.splice(at, 1);
  });
  return { socket, isKept: false };
}

function relay(request: IncomingMessage, body: Buffer, response: ServerResponse): void {
  const { socket, isKept } = takeSocket();
  const reader = new AnswerReader();
  const client = response.socket!;
  const resume = (): void => void socket.resume();
  const let_go = (): void => {
    socket.off('data', onData).off('close', onClose);
    client.off('drain', resume);
    response.off('close', onLeft);
  };
  const onLeft = (): void => {
    let_go();
    socket.destroy();
  };
  const onClose = (): void => {
    let_go();
    // The worker has closed a kept socket at the very moment it was used.
    if (isKept && reader.head === null && !client.destroyed) return relay(request, body, response);
    if (reader.endsHere()) response.end();
    else if (response.headersSent) response.destroy();
    else response.writeHead(502).end();
  };
  const onData = (bytes: Buffer): void => {
    const isFirst = reader.head === null;
    const { before, from, to, done } = reader.take(bytes, ignore);
    const { head } = reader;
    if (head === null) return;
    if (isFirst) {
      const lines = head.lines.filter((line) => !NOT_PASSED_ON.test(line)).flatMap(nameAndValue);
      response.writeHead(head.status, head.chunked ? [...lines, 'transfer-encoding', 'chunked'] : lines);
      // Head and first bytes leave together.
      client.cork();
      if (head.chunked || !done) response.flushHeaders();
    }
    let more = true;
    if (head.chunked) {
      // Past the response, which would frame them once more; it writes the head and the last chunk.
      if (before) more = client.write(before);
      if (to > from) more = client.write(bytes.subarray(from, to));
    } else if (to > from && !done) more = response.write(bytes.subarray(from, to));
    if (done) {
      let_go();
      response.end(head.chunked || to === from ? undefined : bytes.subarray(from, to));
      if (head.closes) socket.destroy();
      else idle.push(socket);
    } else if (!more) {
      socket.pause();
      client.once('drain', resume);
    }
    if (isFirst) client.uncork();
  };
  socket.on('data', onData).on('close', onClose);
  response.on('close', onLeft);
  const fields = `content-type: application/json\r\ncontent-length: ${body.length}\r\n`;
  const head = `${request.method} ${request.url} HTTP/1.1\r\nhost: 127.0.0.1:${workerPort}\r\n${fields}\r\n`;
  if (body.length > 16_384) {
    socket.cork();
    socket.write(head, 'latin1');
    socket.write(body);
    socket.uncork();
  } else socket.write(Buffer.concat([Buffer.from(head, 'latin1'), body]));
}

function nameAndValue(line: string): [string, string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon), line.slice(colon + 1).trim()];
}

const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => relay(request, parts.length === 1 ? parts[0]! : Buffer.concat(parts), response));
});
server.listen({ port, host: '127.0.0.1', backlog: 8192 }, () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') process.stdout.write(`listening ${address.port}\n`);
});

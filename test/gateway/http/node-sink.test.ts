import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { Sink } from '../../../gateway/core/reply.ts';
import { NodeSink } from '../../../gateway/http/node-sink.ts';
import { until } from '../../support/gateway.ts';
import { connectRaw } from '../../support/raw-client.ts';
import { batchOf } from '../openai/frames.ts';

/** What is pushed into the sink of the request with this number. */
type Push = (sink: Sink, number: number, response: ServerResponse) => void;

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** A server that answers every request through a sink, as the gateway does. */
async function serve(push: Push): Promise<number> {
  let count = 0;
  const server = createServer((request, response) => {
    const number = count++;
    const chunked = request.httpVersion === '1.1';
    response.writeHead(200, [
      'content-type',
      'text/event-stream',
      'x-number',
      String(number),
      ...(chunked ? ['transfer-encoding', 'chunked'] : []),
    ]);
    push(new NodeSink(response, chunked), number, response);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const events = (...texts: string[]) => batchOf(texts.map((text) => Buffer.from(text)));

/** Pushes `count` numbered lines as fast as the sink takes them. */
/** Writes so many numbers as fast as it may; what it returns tells how often it was held back. */
function pushMany(sink: Sink, count: number, asFrames: boolean): { holds: number } {
  let next = 0;
  const told = { holds: 0 };
  const more = (): void => {
    while (next < count) {
      const text = `${next++}-${'x'.repeat(1_000)}\n\n`;
      if (!(asFrames ? sink.writeFrames(events(text)) : sink.write(Buffer.from(text)))) {
        told.holds += 1;
        return sink.onDrain(more);
      }
    }
    sink.end();
  };
  more();
  return told;
}

function numbers(body: string): number[] {
  return [...body.matchAll(/(\d+)-x/g)].map((match) => Number(match[1]));
}

describe('to a client of HTTP/1.1', () => {
  test('frames go as they came from the worker, with its own spelling of their sizes, and our bytes between them', async () => {
    const port = await serve((sink) => {
      sink.writeFrames({ bytes: Buffer.from('005;a=b\r\nfirst\r\nA\r\nsecond....\r\n'), count: 2, starts: [9, 19], ends: [14, 29] });
      sink.write(Buffer.from('ours'));
      sink.writeFrames(events('third'));
      sink.end();
    });
    using client = await connectRaw(port);
    client.send(GET);
    await until(() => client.received.endsWith('\r\n0\r\n\r\n'), 'the last chunk');
    expect(client.received.slice(client.received.indexOf('\r\n\r\n') + 4)).toBe(
      '005;a=b\r\nfirst\r\nA\r\nsecond....\r\n4\r\nours\r\n5\r\nthird\r\n0\r\n\r\n',
    );
  });

  test('an empty piece is not the end', async () => {
    const port = await serve((sink) => {
      sink.write(Buffer.from('a'));
      sink.write(Buffer.alloc(0));
      sink.write(Buffer.from('b'));
      sink.end();
    });
    using client = await connectRaw(port);
    client.send(GET);
    expect((await client.answer()).body).toBe('ab');
  });

  test('an empty body is a head and the last chunk, and the connection goes on', async () => {
    const port = await serve((sink, number) => {
      if (number > 0) sink.write(Buffer.from('x'));
      sink.end();
    });
    using client = await connectRaw(port);
    client.send(GET);
    expect((await client.answer()).body).toBe('');
    client.send(GET);
    expect((await client.answer()).body).toBe('x');
  });

  test.each([true, false])('one that reads slowly holds the writer back and loses nothing (frames: %s)', async (asFrames) => {
    let told = { holds: 0 };
    const port = await serve((sink) => void (told = pushMany(sink, 20_000, asFrames)));
    using client = await connectRaw(port);
    client.socket.pause();
    client.send(GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    client.socket.resume();
    await client.ended;
    const got = numbers((await client.answer()).body);
    expect(got).toHaveLength(20_000);
    expect(got.every((number, index) => number === index)).toBe(true);
    expect(told.holds).toBeGreaterThan(0);
  });

  test('what is written after it has left is lost without a word', async () => {
    let sink!: Sink;
    let response!: ServerResponse;
    const port = await serve((made, _number, itsResponse) => {
      sink = made;
      response = itsResponse;
      sink.write(Buffer.from('a'));
    });
    using client = await connectRaw(port);
    client.send(GET);
    await until(() => client.received.endsWith('a\r\n'), 'the first bytes');
    client.socket.resetAndDestroy();
    await until(() => response.closed, 'the server has seen it');
    expect(sink.write(Buffer.from('b'))).toBe(true);
    expect(sink.writeFrames(events('c'))).toBe(true);
    sink.onDrain(() => {});
    sink.end();
    sink.destroy();
  });

  test('a body that is cut ends without its last chunk', async () => {
    const port = await serve((sink) => {
      sink.write(Buffer.from('a'));
      setImmediate(() => sink.destroy());
    });
    using client = await connectRaw(port);
    client.send(GET);
    await client.ended;
    expect(client.received).not.toContain('0\r\n\r\n');
  });
});

describe('to a client of HTTP/1.0', () => {
  test.each(['', 'Connection: keep-alive\r\n'])('payload goes without chunks, and the connection ends it (%j)', async (header) => {
    const port = await serve((sink) => {
      sink.writeFrames(events('data: a\n\n', 'data: b\n\n'));
      sink.write(Buffer.from('ours'));
      sink.end();
    });
    using client = await connectRaw(port);
    client.send(`GET / HTTP/1.0\r\n${header}\r\n`);
    await client.ended;
    const { headers, body } = await client.answer();
    expect(headers['transfer-encoding']).toBeUndefined();
    expect(headers['content-length']).toBeUndefined();
    expect(body).toBe('data: a\n\ndata: b\n\nours');
  });

  test('one that reads slowly holds the writer back and loses nothing', async () => {
    let told = { holds: 0 };
    const port = await serve((sink) => void (told = pushMany(sink, 20_000, true)));
    using client = await connectRaw(port);
    client.socket.pause();
    client.send('GET / HTTP/1.0\r\n\r\n');
    await new Promise((resolve) => setTimeout(resolve, 50));
    client.socket.resume();
    await client.ended;
    expect(numbers((await client.answer()).body)).toHaveLength(20_000);
    expect(told.holds).toBeGreaterThan(0);
  });
});

describe('on a connection with several requests under way', () => {
  test('each answer is whole and in its turn, whichever is written first', async () => {
    const sinks: Sink[] = [];
    const port = await serve((sink) => sinks.push(sink));
    using client = await connectRaw(port);
    client.send(GET.repeat(3));
    await until(() => sinks.length === 3, 'all three');
    // The last is the first to be done; none may appear before the first has ended.
    for (const number of [2, 1]) {
      sinks[number]!.writeFrames(events(`frames of ${number}`));
      sinks[number]!.write(Buffer.from(`, bytes of ${number}`));
      sinks[number]!.end();
    }
    sinks[0]!.write(Buffer.from('bytes of 0'));
    await until(() => client.received.includes('bytes of 0'), 'the first has begun');
    expect(client.received).not.toContain('of 1');
    sinks[0]!.writeFrames(events(', frames of 0'));
    sinks[0]!.end();
    const bodies = [await client.answer(), await client.answer(), await client.answer()].map(
      ({ body, headers }) => `${headers['x-number']}: ${body}`,
    );
    expect(bodies).toEqual(['0: bytes of 0, frames of 0', '1: frames of 1, bytes of 1', '2: frames of 2, bytes of 2']);
    expect(client.received).toBe('');
  });

  test('one that has to wait is held back, and flows when its turn comes', async () => {
    let first!: Sink;
    let second!: ServerResponse;
    const port = await serve((sink, number, response) => {
      if (number === 0) first = sink;
      else {
        second = response;
        pushMany(sink, 10_000, true);
      }
    });
    using client = await connectRaw(port);
    client.send(GET + GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
    await until(() => second !== undefined, 'both are there');
    // Of ten megabytes, what a buffer holds.
    expect(second.writableLength).toBeLessThan(1_000_000);
    first.end();
    await client.ended;
    await client.answer();
    expect(numbers((await client.answer()).body)).toHaveLength(10_000);
  });
});

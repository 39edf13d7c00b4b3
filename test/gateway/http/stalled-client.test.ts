import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { dropIfStalled } from '../../../gateway/http/stalled-client.ts';
import { until } from '../../support/gateway.ts';
import { connectRaw, type RawClient } from '../../support/raw-client.ts';

/** More than the buffers of both sides hold. */
const LARGE = Buffer.alloc(20_000_000, 'x');
const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

async function withServer(
  bodies: readonly Buffer[],
  stallMs: number,
  use: (client: RawClient, responses: readonly ServerResponse[]) => Promise<void>,
): Promise<void> {
  const responses: ServerResponse[] = [];
  const server = createServer((_request, response) => {
    response.end(bodies[responses.length]);
    responses.push(response);
    dropIfStalled(response, stallMs);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    using client = await connectRaw((server.address() as AddressInfo).port);
    await use(client, responses);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

describe('a client that does not read', () => {
  test('loses its connection, though all was written long ago', () =>
    withServer([LARGE], 100, async (client, responses) => {
      client.socket.pause();
      client.send(GET);
      await until(() => responses[0]?.closed === true, 'it is dropped');
      expect(responses[0]!.writableFinished).toBe(false);
    }));

  test('loses it too when the answer had to wait for its turn', () =>
    withServer([Buffer.from('a'), LARGE, Buffer.from('b')], 100, async (client, responses) => {
      client.socket.pause();
      client.send(GET.repeat(3));
      await until(() => responses[1]?.closed === true, 'it is dropped');
      expect(responses[0]!.writableFinished).toBe(true);
      expect(responses[1]!.writableFinished).toBe(false);
    }));
});

describe('a client that reads', () => {
  test('slowly keeps its connection, for longer than a stalled one does', () =>
    withServer([LARGE], 3_000, async (client, responses) => {
      client.socket.on('data', () => {
        client.socket.pause();
        setTimeout(() => client.socket.resume(), 20);
      });
      const startedAt = performance.now();
      client.send(GET);
      await until(() => responses[0]?.closed === true, 'all of it, or a dropped connection');
      expect(responses[0]!.writableFinished).toBe(true);
      expect(performance.now() - startedAt).toBeGreaterThan(3_000);
    }));

  test('is not dropped later, while its connection is idle or waits for another answer', () =>
    withServer([LARGE, Buffer.from('next')], 300, async (client, responses) => {
      client.send(GET);
      await until(() => responses[0]?.writableFinished === true, 'all of it');
      await new Promise((resolve) => setTimeout(resolve, 600));
      expect(client.socket.readyState).toBe('open');
      client.send(GET);
      await until(() => client.received.endsWith('next'), 'the next answer');
    }));
});

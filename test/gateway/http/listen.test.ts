import { createServer, get } from 'node:http';
import { createServer as createNetServer, type AddressInfo, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { listen } from '../../../gateway/http/listen.ts';

const HOST = '127.0.0.1';

function answering() {
  return createServer((_incoming, response) => response.end('well'));
}

function ask(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => response.once('data', (bytes: Buffer) => resolve(bytes.toString()))).on('error', reject);
  });
}

test('many connections are answered whichever socket accepted them, and the port is free again after the end', async () => {
  const server = answering();
  const sockets = new Set<unknown>();
  server.on('connection', (socket: Socket & { _server?: unknown }) => sockets.add(socket._server));
  const listening = await listen(server, HOST, 0);
  expect(await Promise.all(Array.from({ length: 64 }, () => ask(listening.url)))).toEqual(Array(64).fill('well'));
  // Where a port can be shared, one socket alone would be a chance of 8 to the power of -63.
  if (process.platform === 'linux') expect(sockets.size).toBeGreaterThan(1);
  server.closeAllConnections();
  await listening.close();
  await expect(ask(listening.url)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test('a port that is taken is refused, though whoever has it would share it', async () => {
  const first = answering();
  const listening = await listen(first, HOST, 0);
  const { port } = first.address() as AddressInfo;
  await expect(listen(answering(), HOST, port)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  expect(await ask(listening.url)).toBe('well');
  first.closeAllConnections();
  await listening.close();
  const again = answering();
  const second = await listen(again, HOST, port);
  expect(await ask(second.url)).toBe('well');
  again.closeAllConnections();
  await second.close();
});

test('a port of somebody else is refused', async () => {
  const other = createNetServer();
  await new Promise<void>((resolve) => other.listen(0, HOST, resolve));
  await expect(listen(answering(), HOST, (other.address() as AddressInfo).port)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  await new Promise((resolve) => other.close(resolve));
});

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { reset } from '../../../../supervisor/sim/request/reset.ts';

/** A connection that has been taken in, and the client that has it. */
async function connection() {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [taken] = (await once(server, 'connection')) as [Socket];
  const told: string[] = [];
  client.on('error', ({ code }: NodeJS.ErrnoException) => told.push(code ?? '')).resume();
  taken.on('error', ({ code }: NodeJS.ErrnoException) => told.push(`taken: ${code}`));
  return { taken, client, told, [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())) };
}

describe('a connection that is reset', () => {
  test('breaks off at its client', async () => {
    await using each = await connection();
    reset(each.taken);
    await Promise.all([once(each.taken, 'close'), new Promise((resolve) => each.client.once('close', resolve))]);
    expect(each.told).toEqual(['ECONNRESET']);
  });

  test('while it is shut down is closed, and says so', async () => {
    await using each = await connection();
    const closed = [each.taken, each.client].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    each.taken.end();
    process.nextTick(() => reset(each.taken));
    await Promise.all(closed);
    expect(each.told).toEqual([]);
  });

  test('when it has gone already is left alone', () => {
    expect(() => reset(null)).not.toThrow();
  });
});

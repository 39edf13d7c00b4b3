import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { exchange } from '../../../gateway/core/exchange.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

const PATIENT = { silenceMs: 60_000, totalMs: 60_000 };

async function serve(listener: RequestListener) {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port, path: '/' };
}

test('the whole answer is heard, whatever its status, and no timer is left', async () => {
  const clock = createFakeClock();
  const where = await serve((incoming, answer) => {
    incoming.setEncoding('utf8').on('data', (said: string) => {
      answer.writeHead(409, { 'content-type': 'application/json' });
      answer.write('{"said":');
      answer.end(`${said}}`);
    });
  });
  const answer = await exchange({ ...where, method: 'POST' }, { a: 'ä' }, { ...PATIENT, clock });
  expect(answer).toEqual({ status: 409, text: '{"said":{"a":"ä"}}' });
  await vi.waitFor(() => expect(clock.pending).toBe(0));
});

test('an answer that goes on and on, never silent for long, ends at the limit of the whole', async () => {
  const clock = createFakeClock();
  let wrote = 0;
  const where = await serve((_, answer) => {
    const drip = setInterval(() => {
      answer.write('.');
      wrote += 1;
    }, 1);
    answer.on('close', () => clearInterval(drip));
  });
  const failed = expect(exchange(where, null, { ...PATIENT, totalMs: 5_000, clock })).rejects.toMatchObject({ code: 'ETIMEDOUT' });
  await vi.waitFor(() => expect(wrote).toBeGreaterThan(3));
  await clock.advance(5_000);
  await failed;
});

test('silence ends it at its own limit', async () => {
  const where = await serve(() => undefined);
  await expect(exchange(where, null, { ...PATIENT, silenceMs: 20 })).rejects.toMatchObject({ code: 'ETIMEDOUT' });
});

test('an answer past the limit of size is not gathered', async () => {
  const where = await serve((_, answer) => void answer.end('x'.repeat(101)));
  await expect(exchange(where, null, { ...PATIENT, maxBytes: 100 })).rejects.toMatchObject({ code: 'EMSGSIZE' });
  expect((await exchange(where, null, { ...PATIENT, maxBytes: 101 })).text).toHaveLength(101);
});

test('one that is ended by its signal lets go of the other side', async () => {
  const asker = new AbortController();
  const { promise: gone, resolve: left } = Promise.withResolvers<void>();
  const where = await serve((_, answer) => {
    answer.on('close', left);
    answer.write('half');
    asker.abort();
  });
  await expect(exchange({ ...where, signal: asker.signal }, null, PATIENT)).rejects.toMatchObject({ code: 'ABORT_ERR' });
  await gone;
});

test('an answer that breaks off is none', async () => {
  const where = await serve((_, answer) => {
    answer.writeHead(200, { 'content-length': 100 });
    answer.write('half', () => answer.destroy());
  });
  await expect(exchange(where, null, PATIENT)).rejects.toMatchObject({ code: 'ECONNRESET' });
});

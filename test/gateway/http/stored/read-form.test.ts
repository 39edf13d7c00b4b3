import { request } from 'node:http';
import { expect, test } from 'vitest';
import { systemClock } from '../../../../gateway/core/clock.ts';
import { GatewayError } from '../../../../gateway/core/errors.ts';
import { type FileTaker, readForm } from '../../../../gateway/http/stored/read-form.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { FILE_HEAD, FORM_END, FORM_TYPE, serverOf } from './form-server.ts';

const MEBIBYTE = 1_048_576;
const limits = {
  clock: systemClock,
  mostBytes: 1e12,
  allowanceMs: () => 60_000,
  tooLarge: () => new GatewayError('request_too_large', 'no'),
};

const taker = (more: Partial<FileTaker> = {}): FileTaker => ({
  begin: async () => {},
  piece: async () => {},
  field() {},
  isBusy: () => false,
  discard: async () => {},
  ...more,
});

test('300 MB pass through a few hundred kilobytes of memory, at the pace of whoever takes them', { timeout: 120_000 }, async () => {
  let taken = 0;
  let mostHeld = 0;
  let come = 0;
  let mostRss = 0;
  const before = process.memoryUsage.rss();
  await using server = await serverOf((incoming, response) => {
    incoming.on('data', (piece: Buffer) => (come += piece.length));
    const slow = taker({
      async piece(bytes) {
        // Once a piece, the taker lets the socket run ahead as far as it can.
        await new Promise((resolve) => setImmediate(resolve));
        mostHeld = Math.max(mostHeld, come - taken);
        mostRss = Math.max(mostRss, process.memoryUsage.rss());
        taken += bytes.length;
      },
    });
    void readForm(incoming, slow, limits).then(({ hasFile }) => response.end(String(hasFile)));
  });
  const piece = Buffer.alloc(MEBIBYTE, 'x');
  const body = async function* () {
    yield Buffer.from(FILE_HEAD);
    for (let sent = 0; sent < 300; sent++) yield piece;
    yield Buffer.from(FORM_END);
  };
  const response = await fetch(`http://127.0.0.1:${server.port}`, {
    method: 'POST',
    headers: { 'content-type': FORM_TYPE },
    body: ReadableStream.from(body()),
    duplex: 'half',
  } as RequestInit);
  expect(await response.text()).toBe('true');
  expect(taken).toBe(300 * MEBIBYTE);
  expect(mostHeld).toBeLessThan(2 * MEBIBYTE);
  // The client is in this process too; garbage is collected when it pleases.
  expect(mostRss - before).toBeLessThan(150 * MEBIBYTE);
});

test('a taker that does not answer has the socket read no further', async () => {
  let come = 0;
  await using server = await serverOf((incoming) => {
    incoming.on('data', (piece: Buffer) => (come += piece.length));
    readForm(incoming, taker({ piece: () => new Promise(() => {}), isBusy: () => true }), limits).catch(() => {});
  });
  const upload = request({ port: server.port, host: '127.0.0.1', method: 'POST', headers: { 'content-type': FORM_TYPE } });
  upload.on('error', () => {});
  upload.write(FILE_HEAD);
  for (let sent = 0; sent < 32; sent++) upload.write(Buffer.alloc(MEBIBYTE));
  let last = -1;
  await expect
    .poll(
      () => {
        const isStill = come > 0 && come === last;
        last = come;
        return isStill;
      },
      { interval: 300 },
    )
    .toBe(true);
  expect(come).toBeLessThan(2 * MEBIBYTE);
  upload.destroy();
});

test('a disk that does not answer keeps no client waiting: it is let go of when it does', async () => {
  const clock = createFakeClock();
  const happened: string[] = [];
  let wake = (): void => {};
  const { promise: refused, resolve: onRefused } = Promise.withResolvers<GatewayError>();
  await using server = await serverOf((incoming, response) => {
    const stuck = taker({
      piece: () => new Promise((resolve) => (wake = resolve)),
      isBusy: () => true,
      discard: async () => void happened.push('discarded'),
    });
    readForm(incoming, stuck, { ...limits, clock }).catch((error: GatewayError) => {
      happened.push(error.kind);
      response.end();
      onRefused(error);
    });
  });
  const upload = request({ port: server.port, host: '127.0.0.1', method: 'POST', headers: { 'content-type': FORM_TYPE } });
  upload.on('error', () => {});
  upload.write(FILE_HEAD);
  upload.write(Buffer.alloc(1_000));
  await expect
    .poll(async () => {
      await clock.advance(10_000);
      return happened.length;
    })
    .toBe(1);
  await refused;
  expect(happened).toEqual(['store_unavailable']);
  wake();
  await expect.poll(() => happened).toEqual(['store_unavailable', 'discarded']);
  upload.destroy();
});

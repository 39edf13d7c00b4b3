import { get, type IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import type { StoredBytes } from '../../../../gateway/files/files.ts';
import { contentHead, sendContent } from '../../../../gateway/http/stored/send-content.ts';
import { serverOf } from './form-server.ts';

const MEBIBYTE = 1_048_576;
const row = { id: 'file-1', owner: '', bytes: 0, createdAt: 0, filename: `it's "ä"\r\n.txt`, purpose: 'batch', expiresAt: null };

function zeros(size: number): StoredBytes & { readonly reads: () => number } {
  let reads = 0;
  return {
    row,
    size,
    reads: () => reads,
    read: (into, position) => {
      reads += into.length;
      return Promise.resolve(Math.min(into.length, size - position));
    },
    close: async () => {},
  };
}

test('to a client that stops reading no more is read, and it is over when he leaves', async () => {
  const bytes = zeros(512 * MEBIBYTE);
  let over = false;
  let held = (): number => 0;
  await using server = await serverOf((incoming, response) => {
    held = () => response.writableLength + (response.socket?.writableLength ?? 0);
    void sendContent(incoming, response, bytes, contentHead(incoming, bytes)).then(() => (over = true));
  });
  const asked = get({ port: server.port, host: '127.0.0.1' });
  asked.on('error', () => {});
  const answer = await new Promise<IncomingMessage>((resolve) => asked.on('response', resolve));
  answer.on('error', () => {});
  answer.pause();
  let last = -1;
  await expect
    .poll(
      () => {
        const isStill = bytes.reads() === last;
        last = bytes.reads();
        return isStill;
      },
      { interval: 300 },
    )
    .toBe(true);
  // What the kernel takes for a connection that nobody reads.
  expect(bytes.reads()).toBeLessThan(64 * MEBIBYTE);
  expect(held()).toBeLessThanOrEqual(2 * 131_072 + 1_024);
  expect(over).toBe(false);
  asked.destroy();
  await expect.poll(() => over).toBe(true);
});

test('no name of a file gets out of its header', async () => {
  const bytes = zeros(1);
  const { headers } = contentHead({ headers: {} } as never, bytes);
  expect(headers['content-disposition']).toBe("attachment; filename*=UTF-8''it%27s%20%22%C3%A4%22%0D%0A.txt");
});

test('a file that is shorter than it was cuts its answer', async () => {
  const bytes: StoredBytes = { ...zeros(1_000), read: () => Promise.resolve(0) };
  const { promise: thrown, resolve } = Promise.withResolvers<unknown>();
  await using server = await serverOf((incoming, response) => {
    sendContent(incoming, response, bytes, contentHead(incoming, bytes)).catch(resolve);
  });
  await expect(fetch(`http://127.0.0.1:${server.port}`).then((answer) => answer.text())).rejects.toThrow();
  expect(await thrown).toEqual(new Error('the file is shorter than it was'));
});

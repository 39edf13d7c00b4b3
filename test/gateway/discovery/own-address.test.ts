import { expect, test } from 'vitest';
import { ownAddress } from '../../../gateway/discovery/own-address.ts';

const PORT = 8080;
const listening = (address: string) => ownAddress(() => [{ address, port: PORT, family: 'IPv4' }, null, '/run/socket']);

test.each([
  ['127.0.0.1', ['127.0.0.1', '::ffff:127.0.0.1', '::FFFF:127.0.0.1', '0.0.0.0', '::']],
  ['0.0.0.0', ['127.0.0.1', '127.9.9.9', '::1', '0.0.0.0', '::', '::ffff:127.0.0.1']],
  ['::', ['127.0.0.1', '::1', '::ffff:0.0.0.0', '0.0.0.0']],
  ['::ffff:127.0.0.1', ['127.0.0.1']],
])('a gateway that listens on %s knows itself as each of %j', (address, hosts) => {
  const isOwn = listening(address);
  for (const host of hosts) {
    expect(isOwn(host, PORT), host).toBe(true);
    expect(isOwn(host, PORT + 1), host).toBe(false);
  }
});

test('others are others', () => {
  for (const host of ['127.0.0.2', '10.0.0.1', '::ffff:10.0.0.1']) expect(listening('127.0.0.1')(host, PORT), host).toBe(false);
  expect(listening('0.0.0.0')('192.0.2.7', PORT)).toBe(false);
});

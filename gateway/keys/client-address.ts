import { BlockList, isIP } from 'node:net';

/** The same in hexadecimal. */
const MAPPED_HEX = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/i;
const WITH_PORT = /^(\d+\.\d+\.\d+\.\d+):\d+$/;
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** Addresses and networks (CIDR) of proxies that are believed. */
export function trustedProxies(list: readonly string[]): BlockList {
  const trusted = new BlockList();
  for (const entry of list) {
    const [address = '', bits] = entry.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) trusted.addAddress(address, family);
    else trusted.addSubnet(address, Number(bits), family);
  }
  return trusted;
}

/**
 * Where a request comes from: the last address that a believed proxy has not vouched for. Each proxy appends the one that it was called
 * from, so the list is read from its end, and what stands before the first stranger is that stranger's word.
 * @param socketAddress of the connection itself @param forwardedFor X-Forwarded-For, all of them joined
 */
export function clientAddress(socketAddress: string, forwardedFor: string | undefined, trusted: BlockList): string {
  let client = plain(socketAddress);
  if (forwardedFor === undefined) return client;
  const hops = forwardedFor.split(',');
  while (isTrusted(client, trusted)) {
    const hop = plain(hops.pop()?.trim() ?? '');
    if (isIP(hop) === 0) break;
    client = hop;
  }
  return client;
}

/** A network of IPv6, in which anyone has 2^64 addresses, counts as one. */
export function sourceOf(address: string): string {
  const whole = plain(address);
  if (!whole.includes(':') || whole.includes('.')) return whole;
  const [before = [], after = []] = whole.split('::').map((half) => half.split(':').filter((group) => group !== ''));
  const zeros = new Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0');
  return [...before, ...zeros, ...after].slice(0, 4).join(':');
}

function plain(address: string): string {
  const [, high, low] = MAPPED_HEX.exec(address) ?? [];
  if (high !== undefined && low !== undefined) return [high, low].flatMap(bytesOf).join('.');
  return MAPPED.exec(address)?.[1] ?? WITH_PORT.exec(address)?.[1] ?? address.replace(/^\[|\](?::\d+)?$/g, '').replace(/%.*$/, '');
}

function bytesOf(group: string): [number, number] {
  const value = Number.parseInt(group, 16);
  return [value >> 8, value & 0xff];
}

function isTrusted(address: string, trusted: BlockList): boolean {
  const family = isIP(address);
  return family !== 0 && trusted.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

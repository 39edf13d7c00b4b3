import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';

/** Where a server listens, as Node says it. */
type Listening = AddressInfo | string | null;

/** Tells whether an address and a port are those of a listener of ours: a gateway that asks itself never comes to an end. */
export function ownAddress(listening: () => readonly Listening[]): (host: string, port: number) => boolean {
  return (named, port) => {
    const host = plain(named);
    return listening().some((each) => {
      if (each === null || typeof each === 'string' || each.port !== port) return false;
      const at = plain(each.address);
      // Who calls nowhere in particular reaches this machine.
      return EVERYWHERE.has(at) || EVERYWHERE.has(host) ? isLocal(host) : at === host;
    });
  };
}

const EVERYWHERE: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/** An IPv4 address in the clothes of IPv6 is the same address. */
function plain(host: string): string {
  return host.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '');
}

/** The addresses of a pod, or of a machine, do not change while it lives, but may come late. */
function isLocal(host: string): boolean {
  if (EVERYWHERE.has(host) || host === '::1' || host.startsWith('127.')) return true;
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === host));
}

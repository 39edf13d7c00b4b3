import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';

/** Where a server listens, as Node says it. */
type Listening = AddressInfo | string | null;

/** Tells whether an address and a port are those of a listener of ours: a gateway that asks itself never comes to an end. */
export function ownAddress(listening: () => readonly Listening[]): (host: string, port: number) => boolean {
  return (host, port) =>
    listening().some((each) => {
      if (each === null || typeof each === 'string' || each.port !== port) return false;
      const isEverywhere = each.address === '0.0.0.0' || each.address === '::';
      return isEverywhere ? isLocal(host) : each.address === host;
    });
}

/** The addresses of a pod, or of a machine, do not change while it lives, but may come late. */
function isLocal(host: string): boolean {
  if (host === '::1' || host.startsWith('127.')) return true;
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === host));
}

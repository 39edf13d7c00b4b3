import { BlockList, isIP } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8);
loopback.addAddress('::1', 'ipv6');

// Cloud metadata services hand out credentials to whoever can make the gateway fetch from them.
const metadata = new BlockList();
metadata.addSubnet('169.254.0.0', 16);
metadata.addAddress('fd00:ec2::254', 'ipv6');
const METADATA_NAMES: ReadonlySet<string> = new Set(['metadata.google.internal', 'metadata.goog']);

/** Whether only this machine can reach a listener on `host` (an address, or a name without brackets). */
export function isLoopbackHost(host: string): boolean {
  const name = bareHost(host);
  if (name === 'localhost' || name.endsWith('.localhost')) return true;
  return listed(loopback, name);
}

/** Whether a listener on `host` is reachable on every address of the machine. */
export function isWildcardHost(host: string): boolean {
  const name = bareHost(host);
  return name === '0.0.0.0' || name === '::';
}

/** What is wrong with a listening address, or null. */
export function hostProblem(host: string): string | null {
  if (isIP(host) !== 0) return null;
  if (/^\[.*\]$/.test(host)) return 'write an IPv6 address without brackets';
  if (/^[\d.]+$/.test(host)) return 'not an IPv4 address';
  if (/^(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9][A-Za-z0-9_-]{0,62})*\.?$/.test(host)) return null;
  return 'expected an address or a host name, without scheme, port or path';
}

/** What is wrong with an address or a network (CIDR), or null. */
export function networkProblem(text: string): string | null {
  const [address = '', bits, ...more] = text.split('/');
  const family = isIP(address);
  const isWhole = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 6 ? 128 : 32));
  return family !== 0 && isWhole && more.length === 0 ? null : 'expected an address or a network, such as 10.0.0.1 or 10.0.0.0/8';
}

/** What people copy along with the base URL of an API. */
const ENDPOINT = /\/(?:chat\/completions|completions|responses|messages|embeddings|models|health|metrics)\/?$/;

/** What is wrong with the URL of a server that the gateway calls, or null. The value itself is never repeated: it may hold a password. */
export function serverUrlProblem(text: string, path: 'base' | 'any'): string | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) return 'expected a URL such as http://10.0.0.5:8000 (http or https)';
  if (url.username !== '' || url.password !== '') return 'a URL must not carry a user name or password';
  if (isMetadataHost(url.hostname)) return 'addresses of cloud metadata services are refused';
  if (url.search !== '' || url.hash !== '' || /[?#]/.test(text)) return 'a URL here has no query and no fragment';
  const endpoint = path === 'base' ? ENDPOINT.exec(url.pathname)?.[0] : undefined;
  if (endpoint !== undefined) return `leave ${endpoint} out: the base URL ends before it`;
  return null;
}

/** What is wrong with the address of the supervisor's control API, or null: `auto`, a socket's path, or http on loopback. */
export function controlProblem(text: string): string | null {
  if (text === '' || text.includes('\0')) return 'expected auto, the path of a Unix socket, or http://127.0.0.1:PORT';
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    // sun_path holds 108 bytes, the closing zero included.
    return Buffer.byteLength(text) > 107 ? 'the path of a Unix socket is at most 107 bytes long' : null;
  }
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol !== 'http:') return 'expected auto, the path of a Unix socket, or http://127.0.0.1:PORT';
  if (url.username !== '' || url.password !== '') return 'a URL must not carry a user name or password';
  if (url.pathname !== '/' || /[?#]/.test(text)) return 'a control URL has no path, query or fragment';
  if (!isLoopbackHost(url.hostname)) return 'the control API has no password, so its URL must be a loopback address';
  return null;
}

/** What is wrong with the origin of pages, or null: as a browser writes it, so that it can be compared as text; `*` stands for all. */
export function originProblem(text: string): string | null {
  if (text === '*') return null;
  const parts = /^([a-z][a-z0-9+.-]*):\/\/[^/?#@*\s\\]+$/.exec(text);
  if (!parts) return "expected an origin such as https://chat.example.com, without a path, or '*'";
  const url = URL.parse(text);
  // Of other schemes (apps, extensions) browsers write what stands there.
  const written = url !== null && url.origin !== 'null' ? url.origin : text;
  return written === text ? null : `browsers write this origin as ${written}`;
}

/** Whether a cloud's metadata service answers there. */
export function isMetadataHost(host: string): boolean {
  const name = bareHost(host);
  return METADATA_NAMES.has(name) || listed(metadata, name);
}

/** Lower case, without the brackets of an IPv6 URL and the dot that ends a full name. */
function bareHost(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}

function listed(list: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

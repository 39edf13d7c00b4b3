import { BlockList, isIP } from 'node:net';
import { GatewayError } from '../core/errors.ts';
import type { JsonObject } from './json-body.ts';

/** Keys under which a client names something for the worker to fetch, in every API that takes media: as a string or as `{url}`. */
const URL_KEYS = ['image_url', 'audio_url', 'video_url', 'file_url'] as const;
/** Under these keys a client describes data instead of sending it: a schema may have a property called `image_url`. */
const DESCRIPTIONS: ReadonlySet<string> = new Set([
  'tools',
  'functions',
  'response_format',
  'structured_outputs',
  'guided_json',
  'text',
  'metadata',
]);

/** Addresses inside our own network, or of no one: a worker must not be sent there on a client's word (CVE-2026-24779 and its kin). */
const INSIDE_V4 = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const)
  INSIDE_V4.addSubnet(network, prefix, 'ipv4');
/** Of IPv6 only what is routed on the internet, without the forms that carry an IPv4 address (Teredo, 6to4). */
const PUBLIC_V6 = new BlockList();
PUBLIC_V6.addSubnet('2000::', 3, 'ipv6');
const CARRIES_V4 = new BlockList();
CARRIES_V4.addSubnet('2001::', 32, 'ipv6');
CARRIES_V4.addSubnet('2002::', 16, 'ipv6');

/** How much of a key is repeated in the answer that names where a URL lies. */
const MAX_KEY_CHARS = 64;

/** What parsers disagree on is no URL here: spaces, control characters, backslashes, credentials, hosts beyond ASCII. */
const PLAIN_URL = /^https?:\/\/[a-z0-9.:[\]_-]+(?:[/?#][^\0-\x20\x7f\\]*)?$/i;

/** @throws invalid_value for a media URL anywhere in the body that is neither inline data nor a public http(s) address. */
export function checkMediaUrls(body: JsonObject): void {
  for (const key in body) if (!DESCRIPTIONS.has(key)) check(body[key], key, null);
}

/** Nesting has been limited before (json-body.ts), so recursion is safe. */
function check(node: unknown, key: string | number, parent: Whereabouts | null): void {
  if (typeof node !== 'object' || node === null) return;
  const place = { key, parent };
  if (Array.isArray(node)) {
    for (let i = 0; i < node.length; i++) check(node[i], i, place);
    return;
  }
  const object = node as JsonObject;
  for (const name of URL_KEYS) {
    const media = object[name];
    const url: unknown = typeof media === 'object' && media !== null ? (media as JsonObject)['url'] : media;
    if (typeof url === 'string' && !allowed(url)) throw refusal({ key: name, parent: place });
  }
  // Anthropic's way: {"source": {"type": "url", "url": "…"}}
  const { type, url } = object;
  if (type === 'url' && typeof url === 'string' && !allowed(url)) throw refusal({ key: 'url', parent: place });
  for (const name in object) check(object[name], name, place);
}

/** Where in the body a value lies; spelled out only for an error. */
interface Whereabouts {
  readonly key: string | number;
  readonly parent: Whereabouts | null;
}

function refusal(place: Whereabouts): GatewayError {
  let param = '';
  for (let at: Whereabouts | null = place; at; at = at.parent) {
    const key = typeof at.key === 'string' ? at.key.slice(0, MAX_KEY_CHARS) : at.key;
    param = typeof key === 'number' ? `[${key}]${param}` : `${at.parent ? '.' : ''}${key}${param}`;
  }
  return new GatewayError('invalid_value', `Invalid value for '${param}': only data: URLs and public http(s) addresses are allowed.`, {
    param,
  });
}

function allowed(url: string): boolean {
  if (url.startsWith('data:')) return true;
  const parsed = PLAIN_URL.test(url) ? URL.parse(url) : null;
  if (parsed === null) return false;
  const host = parsed.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const version = isIP(host);
  if (version === 4) return !INSIDE_V4.check(host, 'ipv4');
  if (version === 6) return PUBLIC_V6.check(host, 'ipv6') && !CARRIES_V4.check(host, 'ipv6');
  return host.includes('.') && !/(?:^|\.)(?:localhost|localdomain|internal|local|lan|home\.arpa)$/.test(host);
}

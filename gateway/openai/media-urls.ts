import { BlockList, isIP } from 'node:net';
import { GatewayError } from '../core/errors.ts';

/** Content parts through which a client can make the worker fetch a URL. */
const URL_PARTS = ['image_url', 'audio_url', 'video_url'] as const;

/** Addresses inside our own network: a worker must not be sent there on a client's word (CVE-2026-24779 and its kin). */
const INSIDE = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const)
  INSIDE.addSubnet(network, prefix, 'ipv4');
for (const [network, prefix] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
] as const)
  INSIDE.addSubnet(network, prefix, 'ipv6');

/** @throws invalid_value for a media URL that is neither inline data nor a public http(s) address. */
export function checkMediaUrls(messages: unknown): void {
  if (!Array.isArray(messages)) return;
  for (let i = 0; i < messages.length; i++) {
    const content: unknown = messages[i]?.content;
    if (!Array.isArray(content)) continue;
    for (let j = 0; j < content.length; j++) {
      for (const part of URL_PARTS) {
        const media: unknown = content[j]?.[part];
        if (media === undefined || media === null) continue;
        const url: unknown = typeof media === 'object' ? (media as { url?: unknown }).url : media;
        if (!allowed(url)) {
          const param = `messages[${i}].content[${j}].${part}`;
          throw new GatewayError(
            'invalid_value',
            `Invalid value for '${param}': only data: URLs and public http(s) addresses are allowed.`,
            { param },
          );
        }
      }
    }
  }
}

function allowed(url: unknown): boolean {
  if (typeof url !== 'string') return false;
  if (url.startsWith('data:')) return true;
  // A backslash is read as a slash by some parsers and not by others.
  if (url.includes('\\') || !URL.canParse(url)) return false;
  const { protocol, hostname, username, password } = new URL(url);
  if (protocol !== 'http:' && protocol !== 'https:') return false;
  if (username !== '' || password !== '') return false;
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const version = isIP(host);
  if (version !== 0) return !INSIDE.check(host, version === 4 ? 'ipv4' : 'ipv6');
  return host.includes('.') && !/(^|\.)(localhost|internal|local)$/.test(host);
}

import type { StoreTrouble } from '../core/events.ts';

/** How a server begins to say what is wrong with what it was asked, or with itself. */
const WORDS: readonly (readonly [RegExp, StoreTrouble])[] = [
  [/^(?:WRONGPASS|NOAUTH|NOPERM|ERR AUTH|ERR invalid password|ERR Client sent AUTH)/, 'auth'],
  [/OOM command not allowed|^OOM/, 'memory'],
  [/READONLY/, 'readonly'],
  [/^(?:MOVED|ASK|CROSSSLOT|CLUSTERDOWN|TRYAGAIN)|cluster mode/, 'cluster'],
  [/^(?:LOADING|MASTERDOWN|BUSY)/, 'starting'],
  [/^(?:MISCONF|NOREPLICAS)/, 'disk'],
  [/Protocol error, got/, 'garbage'],
];

const TLS_CODE = /^(?:ERR_SSL_|ERR_TLS_|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|EPROTO$|HOSTNAME_MISMATCH)/;

/** What an error of the client says of the server. Whatever has a code of the system's comes from the connection. */
export function troubleOf(error: Error & { readonly code?: unknown }): StoreTrouble {
  const code = typeof error.code === 'string' ? error.code : '';
  if (TLS_CODE.test(code)) return 'tls';
  if (code !== '') return 'unreachable';
  const found = WORDS.find(([words]) => words.test(error.message));
  if (found) return found[1];
  return error.name === 'ReplyError' ? 'error' : error.name === 'ParserError' ? 'garbage' : 'unreachable';
}

/** What is wrong, to follow the name of the server, and what whoever looks after it can do. `detail` is the server's own word. */
export function adviceOn(trouble: StoreTrouble, timeoutMs: number, detail: string): string {
  switch (trouble) {
    case 'unreachable':
      return `cannot be reached (${detail}). Is it running, and is state.url right? rediss:// is for a server with TLS, redis:// for one without.`;
    case 'timeout':
      return `does not answer within ${timeoutMs} ms. Look at its load and the way to it (redis-cli --latency), or raise state.timeout_ms.`;
    case 'tls':
      return `cannot be spoken to by TLS (${detail}). NODE_EXTRA_CA_CERTS names the file of a private authority.`;
    case 'auth':
      return `refuses the user or the password of state.url, or does not let it run scripts (${detail}). It needs +@scripting, +@string, +@hash, +@sortedset, +@keyspace and +time on ~<state.prefix>*.`;
    case 'memory':
      return 'has no memory left (maxmemory). Give it more, or a server of its own: what is kept takes a few kilobytes for each key in use, and goes by itself.';
    case 'readonly':
      return 'is a replica, which nothing can be written to. Name the primary in state.url.';
    case 'cluster':
      return 'is part of a cluster, and sends elsewhere. Name a server without cluster mode, or a proxy in front of the cluster.';
    case 'starting':
      return `is busy with itself (${detail}). It is tried again.`;
    case 'disk':
      return `takes no writes (${detail}). Free its disk, or turn persistence off (save ""): limits that are kept here outlive no minute, and budgets are told anew.`;
    case 'garbage':
      return 'sends what is no answer. Is it a Valkey or Redis server that listens there?';
    case 'error':
      return `answers with an error (${detail}). Valkey, or Redis from version 5 on, is needed.`;
  }
}

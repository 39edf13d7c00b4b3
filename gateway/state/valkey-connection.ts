import type { RedisOptions } from 'iovalkey';
import { type LateWriter, writeAtEndOfTurn } from '../core/turn/late-writes.ts';
import type { Script } from './script.ts';

/** A connection to the store that has been made. It is made once: one that is lost is over. */
export interface Connection {
  /** Runs a script that the server has. @throws what the server says, or that it says nothing: see `reasonOf` */
  run(script: Script<unknown>, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
  /** Has the server learn it. */
  load(script: Script<unknown>): Promise<unknown>;
  /** What is behind an error: where a command failed with its connection, why that ended. */
  reasonOf(error: Error): Error;
  close(): void;
}

/** Connects. `onLost` hears when it ends by itself. @throws when nobody is there within `limitMs`, or nobody who lets us in */
export type Connect = (url: string, limitMs: number, onLost: (error: Error) => void) => Promise<Connection>;

/** What the client says of commands that were under way when the connection ended, whyever it did. */
const CLOSED = 'Connection is closed.';

/** By the client library, which is loaded only now. */
export const connectToValkey: Connect = async (url, limitMs, onLost) => {
  const { Redis } = await import('iovalkey');
  const client = new Redis(optionsOf(url, limitMs));
  let why: Error | null = null;
  let isMade = false;
  // Why it ends is said here, and nowhere else.
  client.on('error', (error: Error) => (why ??= error));
  const reasonOf = (error: Error): Error => (why !== null && error.message === CLOSED ? why : error);
  client.on('end', () => {
    if (isMade) onLost(why ?? new Error(CLOSED));
  });
  try {
    await client.connect();
  } catch (error) {
    client.disconnect();
    throw reasonOf(error as Error);
  }
  isMade = true;
  const { stream } = client;
  let isCorked = false;
  const late: LateWriter = {
    writeLate() {
      isCorked = false;
      stream.uncork();
    },
  };
  // What is asked in one turn of the event loop leaves in one write: that is most of what it costs.
  const cork = (): void => {
    if (isCorked) return;
    isCorked = true;
    stream.cork();
    writeAtEndOfTurn(late);
  };
  return {
    run({ sha }, keys, args) {
      cork();
      return client.evalsha(sha, keys.length, ...keys, ...args);
    },
    load: ({ text }) => client.script('LOAD', text),
    reasonOf,
    close() {
      isMade = false;
      client.disconnect();
    },
  };
};

/** The link above decides when to try again; here nothing is held back, repeated or waited for. */
function optionsOf(text: string, limitMs: number): RedisOptions {
  const url = new URL(text);
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    host,
    port: url.port === '' ? 6379 : Number(url.port),
    ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
    ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
    db: Number(url.pathname.slice(1)),
    ...(url.protocol === 'rediss:' ? { tls: {} } : {}),
    family: 0,
    lazyConnect: true,
    connectTimeout: limitMs,
    disconnectTimeout: limitMs,
    keepAlive: 10_000,
    enableOfflineQueue: false,
    enableReadyCheck: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  };
}

/** The server as it may be shown. */
export function serverOf(text: string): string {
  const { hostname, port } = new URL(text);
  return `${hostname}:${port === '' ? 6379 : port}`;
}

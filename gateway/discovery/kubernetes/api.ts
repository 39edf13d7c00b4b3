import { Client } from 'undici';
import type { Clock } from '../../core/clock.ts';
import { ApiTrouble } from './trouble.ts';

/** Where the API server is, and as whom it is asked. */
export interface KubernetesPlace {
  /** http(s)://host:port, perhaps with a path; no trailing slash. */
  readonly url: string;
  /** null: without a token. */
  readonly tokenFile: string | null;
  /** null: certificates are judged as everywhere. */
  readonly caFile: string | null;
  /** That of the gateway itself. */
  readonly namespace: string;
}

/** The first `maxBytes` of a file; null when there is none. */
export type ReadFile = (path: string, maxBytes: number) => Uint8Array | null;

export interface ApiAnswer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly body: AsyncIterable<Uint8Array>;
}

/** One connection to the API server. */
export interface ApiLink {
  /** @throws ApiTrouble; `signal` ends the answer's body too */
  get(path: string, signal: AbortSignal): Promise<ApiAnswer>;
  close(): void;
}

/** Whoever has a token for an hour gets the next one well before: kubelet writes it into the same file. */
const TOKEN_MS = 60_000;
const MOST_TOKEN_BYTES = 65_536;
const MOST_CA_BYTES = 1_048_576;
const CONNECT_MS = 5_000;
const ANSWER_MS = 15_000;

/** The API server of a cluster: reads of its own, with the token and the certificates that lie in files now. */
export class KubernetesApi {
  readonly #place: KubernetesPlace;
  readonly #readFile: ReadFile;
  readonly #clock: Clock;
  #token: { readonly text: string; readonly readAt: number } | null = null;

  constructor(place: KubernetesPlace, readFile: ReadFile, clock: Clock) {
    this.#place = place;
    this.#readFile = readFile;
    this.#clock = clock;
  }

  /** Another token may lie in the file by now: it is read again for the next question. */
  forgetToken(): void {
    this.#token = null;
  }

  /** A connection of its own each time, so that one that is dead without a word is never asked again. */
  connect(): ApiLink {
    const { url, caFile } = this.#place;
    const { origin, pathname } = new URL(url);
    const ca = caFile === null ? null : this.#text(caFile, MOST_CA_BYTES, 'certificates', 'ca_file');
    const client = new Client(origin, {
      connect: { timeout: CONNECT_MS, ...(ca === null ? {} : { ca }) },
      headersTimeout: ANSWER_MS,
      // Whoever reads knows how long silence may last.
      bodyTimeout: 0,
    });
    return {
      get: (path, signal) => this.#get(client, (pathname === '/' ? '' : pathname) + path, signal),
      close: () => void client.destroy().catch(() => undefined),
    };
  }

  async #get(client: Client, path: string, signal: AbortSignal): Promise<ApiAnswer> {
    const token = this.#readToken();
    const headers = {
      accept: 'application/json',
      'user-agent': 'headgate',
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    };
    const { statusCode, headers: said, body } = await client.request({ method: 'GET', path, headers, signal });
    // What is left of a body that nobody reads ends with the connection; its error is heard here.
    body.on('error', () => undefined);
    const retryAfter = said['retry-after'];
    return { status: statusCode, retryAfter: typeof retryAfter === 'string' ? retryAfter : null, body };
  }

  #readToken(): string | null {
    const { tokenFile } = this.#place;
    if (tokenFile === null) return null;
    const now = this.#clock.now();
    if (this.#token !== null && now - this.#token.readAt < TOKEN_MS) return this.#token.text;
    const text = this.#text(tokenFile, MOST_TOKEN_BYTES, 'a token', 'token_file').trim();
    if (!/^[\x21-\x7e]+$/.test(text)) throw new ApiTrouble(`cannot be asked for: ${tokenFile} holds no token`, { isLasting: true });
    this.#token = { text, readAt: now };
    return text;
  }

  #text(file: string, maxBytes: number, what: string, setting: string): string {
    const trouble = (why: string, cause?: unknown): ApiTrouble =>
      new ApiTrouble(`cannot be asked for: ${file}, where ${what} should be (discovery.kubernetes.${setting}), ${why}`, {
        isLasting: true,
        cause,
      });
    let bytes: Uint8Array | null;
    try {
      bytes = this.#readFile(file, maxBytes);
    } catch (error) {
      throw trouble('cannot be read', error);
    }
    if (bytes === null) throw trouble('is not there');
    return Buffer.from(bytes).toString('utf8');
  }
}

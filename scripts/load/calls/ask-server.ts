import { request } from 'undici';

export interface ServerAnswer {
  readonly status: number;
  readonly text: string;
  /** The text as JSON; null where it is none. */
  readonly body: unknown;
}

/** `key`: goes as a bearer's; null: there is none. `order`: is sent as JSON; null: nothing is. */
export interface Question {
  readonly method?: 'GET' | 'POST';
  readonly key?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly order?: object | null;
}

/** Nobody has answered, not whole or not in time. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
  /** The system's word for it, or the kind of the error. */
  readonly code: string;

  constructor(origin: string, error: unknown) {
    const { code, name } = error as { readonly code?: unknown; readonly name: string };
    const told = typeof code === 'string' ? code : name;
    super(`Nothing answers on ${origin} (${told}).`);
    this.code = told;
  }
}

/** From its sending to the end of its answer. */
const LIMIT_MS = 10_000;
/** The longest answer: nobody who is asked for facts has more of them. */
const MOST_BYTES = 8 * 1024 * 1024;

/** One question beside the calls that are measured, whatever it is answered with. POST where there is an order. @throws NoAnswer */
export async function askServer(url: string, { method, key = null, headers = {}, order = null }: Question = {}): Promise<ServerAnswer> {
  try {
    const { statusCode, body } = await request(url, {
      method: method ?? (order === null ? 'GET' : 'POST'),
      headers: {
        ...(order !== null && { 'content-type': 'application/json' }),
        ...(key !== null && { authorization: `Bearer ${key}` }),
        ...headers,
      },
      body: order === null ? null : JSON.stringify(order),
      ...{ headersTimeout: LIMIT_MS, bodyTimeout: LIMIT_MS, signal: AbortSignal.timeout(LIMIT_MS) },
    });
    const pieces: Buffer[] = [];
    let bytes = 0;
    for await (const piece of body) {
      pieces.push(piece as Buffer);
      bytes += (piece as Buffer).length;
      // Leaving the loop lets go of the rest.
      if (bytes > MOST_BYTES) throw Object.assign(new Error('its answer is too long'), { code: 'EMSGSIZE' });
    }
    const text = Buffer.concat(pieces).toString('utf8');
    return { status: statusCode, text, body: parsed(text) };
  } catch (error) {
    throw new NoAnswer(new URL(url).origin, error);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

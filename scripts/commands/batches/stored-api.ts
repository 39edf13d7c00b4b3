import { urlToHttpOptions } from 'node:url';
import { exchange } from '../../../gateway/core/exchange.ts';

/** Where files and batches are asked for, as apps do. */
export interface StoredApi {
  readonly base: string;
  /** Of a client; null: none is known. */
  readonly key: string | null;
  /** Where operators see everybody's batches; null: no operator's key is known, or a client's is to be used. */
  readonly admin: { readonly base: string; readonly key: string } | null;
  /** What may help whoever finds nobody at `base`. */
  readonly advice: string;
}

/** `status`: of the answer. `isAway`: nobody is there to answer, or is about to go; that may pass. */
export interface NotTold {
  readonly kind: 'failed';
  readonly message: string;
  readonly status: number | null;
  readonly isAway: boolean;
}

export type Told<T> = { readonly kind: 'told'; readonly body: T } | NotTold;

const LIMITS = { silenceMs: 15_000, totalMs: 30_000 };

/** One question to the gateway, whose answer has this shape. Never throws. @param body sent as JSON; null: nothing is sent */
export async function askApi<T>(api: StoredApi, method: 'GET' | 'POST', path: string, body: unknown = null): Promise<Told<T>> {
  return askAt(api, api.base, api.key, { method, path, body });
}

/** The same of what is for operators only. */
export async function askAdmin<T>(api: StoredApi, admin: NonNullable<StoredApi['admin']>, path: string): Promise<Told<T>> {
  return askAt(api, admin.base, admin.key, { method: 'GET', path, body: null });
}

async function askAt<T>(
  api: StoredApi,
  base: string,
  key: string | null,
  { method, path, body }: { readonly method: string; readonly path: string; readonly body: unknown },
): Promise<Told<T>> {
  try {
    const where = { ...urlToHttpOptions(new URL(base + path)), method, headers: authorization(key) };
    const { status, text } = await exchange(where, body, LIMITS);
    return answered(api, status, text);
  } catch (error) {
    return notThere(api, error);
  }
}

export function authorization(key: string | null): Record<string, string> {
  return key === null ? {} : { authorization: `Bearer ${key}` };
}

/** What an answer with this text says. */
export function answered<T>(api: StoredApi, status: number, text: string): Told<T> {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return {
      kind: 'failed',
      message: `What answers on ${api.base} is no Headgate (status ${status}). ${api.advice}`,
      status,
      isAway: false,
    };
  }
  if (status < 300) return { kind: 'told', body: body as T };
  const said = (body as { error?: { message?: string } } | null)?.error?.message ?? `The gateway answered with status ${status}.`;
  return { kind: 'failed', message: status === 401 ? keyAdvice(api, said) : said, status, isAway: status >= 500 };
}

/** What it means that nothing came back. */
export function notThere({ base, advice }: StoredApi, error: unknown): NotTold {
  const code = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  return { kind: 'failed', message: `No gateway answers on ${base} (${code}). ${advice}`, status: null, isAway: true };
}

function keyAdvice({ base, key }: StoredApi, said: string): string {
  return key === null
    ? `The gateway on ${base} asks for a key: --key KEY, or set HEADGATE_API_KEY or OPENAI_API_KEY.`
    : `The gateway on ${base} does not take this key (--key, HEADGATE_API_KEY or OPENAI_API_KEY): ${said}`;
}

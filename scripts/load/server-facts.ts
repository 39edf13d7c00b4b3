import { askServer } from './calls/ask-server.ts';

/** What a server says of itself. */
export interface ServerFacts {
  /** Ids that it serves, in its order. */
  readonly models: readonly string[];
  /** Its /version; null where it has none. */
  readonly version: Readonly<Record<string, unknown>> | null;
}

/** Asks an OpenAI server for its models. @throws Error in words, when it does not answer or wants another key */
export async function serverFacts(base: string, headers: Readonly<Record<string, string>>): Promise<ServerFacts> {
  const root = base.replace(/\/(v1\/?)?$/, '');
  const models = await askServer(`${root}/v1/models`, { headers });
  if (models.status === 401 || models.status === 403)
    throw new Error(
      `${base} ${headers['authorization'] === undefined ? 'asks for a key' : 'does not take this key'} (${models.status}): --key KEY, or set HEADGATE_API_KEY or OPENAI_API_KEY.`,
    );
  const { data } = (models.body ?? {}) as { readonly data?: unknown };
  if (models.status !== 200 || !Array.isArray(data))
    throw new Error(`${base} answers /v1/models with status ${models.status} and no list of models: is it an OpenAI server?`);
  const ids = data.map((model) => (model as { readonly id?: unknown } | null)?.id).filter((id) => typeof id === 'string');
  const version = await askServer(`${root}/version`, { headers }).catch(() => null);
  const told =
    version?.status === 200 && typeof version.body === 'object' ? (version.body as Readonly<Record<string, unknown>> | null) : null;
  return { models: ids, version: told };
}

import { askServer, type ServerAnswer } from '../load/calls/ask-server.ts';
import type { AdminDoor } from '../load/place.ts';

/** What is asked of the gateway beside calls. Throws for nothing but what is said. */
export interface Asked {
  /** Whether there is a key for /admin. */
  readonly hasAdmin: boolean;
  /** Calls of clients at the workers, by /stats; null: it does not say. */
  inFlight(): Promise<number | null>;
  /** Of its own process, by /metrics; null: it does not say. */
  process(): Promise<{ readonly rssBytes: number; readonly files: number | null } | null>;
  workers(): Promise<readonly { readonly id: string; readonly state: string }[]>;
  /** @throws Error in the gateway's words */
  tell(worker: string, verb: 'drain' | 'undrain'): Promise<void>;
}

/** Asks the gateway at `base` with a client's key, and its operator's side at `admin`. */
export function askedOf(base: string, key: string | null, admin: AdminDoor): Asked {
  const root = base.replace(/\/(v1\/?)?$/, '');
  const own: AdminDoor = { base: root, key };
  const ask = (path: string, by: AdminDoor, method: 'GET' | 'POST' = 'GET'): Promise<ServerAnswer> =>
    askServer(by.base + path, { key: by.key, method });
  const page = async (path: string, by: AdminDoor): Promise<ServerAnswer | null> => {
    const answer = await ask(path, by).catch(() => null);
    return answer?.status === 200 ? answer : null;
  };
  const json = async <T>(path: string, by: AdminDoor): Promise<T | null> => ((await page(path, by))?.body ?? null) as T | null;
  return {
    hasAdmin: admin.key !== null,
    async inFlight() {
      const stats = await json<{ workers?: { in_flight?: number }[] }>('/stats', own);
      return stats?.workers?.reduce((sum, { in_flight: calls = 0 }) => sum + calls, 0) ?? null;
    },
    async process() {
      const metrics = await page('/metrics', admin.key === null ? own : admin);
      return metrics && processIn(metrics.text);
    },
    async workers() {
      return (await json<{ workers?: { id: string; state: string }[] }>('/admin/status', admin))?.workers ?? [];
    },
    async tell(worker, verb) {
      const { status, body } = await ask(`/admin/workers/${encodeURIComponent(worker)}/${verb}`, admin, 'POST');
      const { error } = (body ?? {}) as { error?: { message?: string } };
      if (status >= 300) throw new Error(error?.message ?? `the gateway answered with status ${status}`);
    },
  };
}

/** What a page of metrics says of the process; of several together. null: nothing. */
export function processIn(page: string): { readonly rssBytes: number; readonly files: number | null } | null {
  const sum = (name: string): number | null => {
    const values = [...page.matchAll(new RegExp(`^(?:headgate_)?${name}(?:\\{[^}]*\\})? ([0-9.e+]+)$`, 'gm'))].map(([, value]) =>
      Number(value),
    );
    return values.length === 0 ? null : values.reduce((all, value) => all + value, 0);
  };
  const rssBytes = sum('process_resident_memory_bytes');
  return rssBytes === null ? null : { rssBytes, files: sum('process_open_fds') };
}

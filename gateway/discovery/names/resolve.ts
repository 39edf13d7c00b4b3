import { Resolver } from 'node:dns/promises';
import type { Clock } from '../../core/clock.ts';

/** What one question of the resolver brought. `missing`: there is no such name, or nothing of that kind under it. */
export type Resolved<T> =
  | { readonly kind: 'found'; readonly values: readonly T[] }
  | { readonly kind: 'missing' }
  | { readonly kind: 'failed'; readonly reason: string };

export interface ServiceTarget {
  readonly name: string;
  readonly port: number;
}

/** The resolver of one round. Nothing here throws. */
export interface Names {
  addresses(name: string, family: 4 | 6): Promise<Resolved<string>>;
  services(name: string): Promise<Resolved<ServiceTarget>>;
}

/** The resolver is asked twice, and answers within this or not at all. */
const TIMEOUT_MS = 1_500;
const TRIES = 2;
/** A round as a whole: what is still asked then has failed. */
const ROUND_MS = 10_000;
const MISSING: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA']);

/** Asks the resolvers of the machine, or those that are set (`10.0.0.2`, `10.0.0.2:5353`), within a limit of time. */
export async function withResolver<T>(servers: readonly string[], clock: Clock, ask: (names: Names) => Promise<T>): Promise<T> {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
  if (servers.length > 0) resolver.setServers(servers);
  const limit = clock.after(ROUND_MS, () => resolver.cancel());
  try {
    return await ask({
      addresses: (name, family) => tried(family === 4 ? resolver.resolve4(name) : resolver.resolve6(name)),
      services: async (name) => {
        const answer = await tried(resolver.resolveSrv(name));
        return answer.kind === 'found' ? { kind: 'found', values: preferred(answer.values) } : answer;
      },
    });
  } finally {
    limit.cancel();
  }
}

async function tried<T>(asked: Promise<readonly T[]>): Promise<Resolved<T>> {
  try {
    const values = await asked;
    return values.length > 0 ? { kind: 'found', values } : { kind: 'missing' };
  } catch (error) {
    const code = String((error as NodeJS.ErrnoException).code ?? 'EUNKNOWN');
    return MISSING.has(code) ? { kind: 'missing' } : { kind: 'failed', reason: code };
  }
}

/** Those of a later priority stand in for the first ones, which is what nobody can see from here: whether a worker lives is asked of it. */
function preferred(records: readonly { readonly name: string; readonly port: number; readonly priority: number }[]): ServiceTarget[] {
  const first = Math.min(...records.map(({ priority }) => priority));
  return records.filter(({ priority }) => priority === first).map(({ name, port }) => ({ name, port }));
}

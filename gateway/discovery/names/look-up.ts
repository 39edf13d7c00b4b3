import type { FoundWorker } from '../../core/finding/found.ts';
import type { Names, Resolved, ServiceTarget } from './resolve.ts';

/** What is looked up: the addresses of a name, at a port; or, without one, whom a service names (`_http._tcp.vllm.example`). */
export interface NamedWorkers {
  readonly name: string;
  readonly port: number | null;
}

/** What a round brought. `missing`: some name is not there, or has no address; whoever else was found is in `workers`. */
export type LookedUp =
  | { readonly kind: 'found'; readonly workers: readonly FoundWorker[] }
  | { readonly kind: 'missing'; readonly workers: readonly FoundWorker[]; readonly name: string }
  | { readonly kind: 'failed'; readonly reason: string };

/** More than any service has. */
const MOST_TARGETS = 4_096;
const AT_ONCE = 32;

/** Asks for everything once. */
export async function lookUp({ name, port }: NamedWorkers, names: Names): Promise<LookedUp> {
  if (port !== null) return addressesOf([{ name, port }], names);
  const services = await names.services(name);
  if (services.kind === 'failed') return services;
  if (services.kind === 'missing') return { kind: 'missing', workers: [], name };
  return addressesOf(services.values.slice(0, MOST_TARGETS), names);
}

async function addressesOf(targets: readonly ServiceTarget[], names: Names): Promise<LookedUp> {
  const workers: FoundWorker[] = [];
  let missing: string | null = null;
  for (let from = 0; from < targets.length; from += AT_ONCE) {
    const some = targets.slice(from, from + AT_ONCE);
    const answers = await Promise.all(some.map(({ name }) => addressesOfOne(name, names)));
    for (const [i, answer] of answers.entries()) {
      const { name, port } = some[i]!;
      if (answer.kind === 'failed') return answer;
      if (answer.kind === 'missing') missing ??= name;
      else for (const host of answer.values) workers.push({ host, port, uid: null, isEnding: false });
    }
  }
  return missing === null ? { kind: 'found', workers } : { kind: 'missing', workers, name: missing };
}

/** Those of IPv4 where there are any: with both families each server would stand there twice. */
async function addressesOfOne(name: string, names: Names): Promise<Resolved<string>> {
  const [four, six] = await Promise.all([names.addresses(name, 4), names.addresses(name, 6)]);
  return four.kind === 'missing' ? six : four;
}

import type { Told } from '../http/probes/told.ts';

type Answer = Told['/livez']['plain'];

const NOBODY: Answer = { status: 503, body: { status: 'stuck' } };

/** What probes are answered for several processes, from what those of them say that are heard of: one that serves is enough. Pure. */
export function probesOfAll(all: readonly Told[]): Told {
  const best = (path: keyof Told) =>
    all.find((told) => told[path].plain.status === 200)?.[path] ?? all[0]?.[path] ?? { plain: NOBODY, verbose: NOBODY };
  return { '/livez': best('/livez'), '/readyz': best('/readyz'), '/startupz': best('/startupz') };
}

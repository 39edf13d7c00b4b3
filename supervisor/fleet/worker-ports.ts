import type { PlannedWorker } from '../plan/plan.ts';
import type { PortPool } from '../system/ports.ts';
import type { Adoptables } from '../worker/adoption.ts';
import { running } from '../worker/adoption.ts';
import { NO_PORT } from '../worker/port.ts';

/** A port for each model: one for all of them, unless one may sleep, which keeps its own. */
export async function takePorts(
  { models }: PlannedWorker,
  adopted: Adoptables | undefined,
  ports: PortPool,
): Promise<ReadonlyMap<string, number>> {
  const known = new Map((adopted ? running(adopted) : []).map(({ record }) => [record.model, record.port]));
  const isShared = [...models.values()].every(({ swap }) => swap.sleep === null);
  let shared = isShared ? (adopted?.awake?.record.port ?? null) : null;
  const taken = new Map<string, number>();
  for (const model of models.keys()) {
    const port = shared ?? known.get(model) ?? (await ports.take()) ?? NO_PORT;
    if (isShared) shared = port;
    taken.set(model, port);
  }
  return taken;
}

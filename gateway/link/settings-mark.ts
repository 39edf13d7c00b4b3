import { hash } from 'node:crypto';
import { launchable, type Settings } from '../config/schema/settings.ts';

/**
 * Equal for settings under which a supervisor would do the same. A supervisor outlives gateways: the one that runs may have been started
 * with other settings.
 */
export function supervisionMark({ supervisor, models, shutdown, admission }: Settings): string {
  const { enabled: _, control: __, ...own } = supervisor;
  const wanted = launchable({ models }).map(({ id, source, engine, swap }) => ({ id, source, engine, swap }));
  return hash('sha256', JSON.stringify([own, wanted, shutdown.grace_ms, admission.queue_timeout_ms])).slice(0, 16);
}

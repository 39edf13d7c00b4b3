import { SLEEP_TAGS, WakeFailure } from '../engine/sleep-mode.ts';
import { badRequest } from '../request/api-error.ts';
import type { Exchange } from '../request/exchange.ts';
import { failureError } from '../request/job.ts';

/** `POST /sleep?level=1&mode=abort|wait|keep`: requests wait until the engine is woken; what is in flight is aborted unless it may end. */
export async function sleep(exchange: Exchange): Promise<void> {
  const { engine, sleepMode } = exchange.sim;
  const mode = exchange.query.get('mode') ?? 'abort';
  if (mode === 'wait') await engine.idle();
  else if (mode === 'abort') engine.abortAll();
  await sleepMode.sleep(exchange.query.get('level') === '2' ? 2 : 1);
  exchange.send(200, null, '');
}

/** `POST /wake_up?tags=weights&tags=kv_cache`; without tags all of it. 500 when the memory is not there any more. */
export async function wakeUp(exchange: Exchange): Promise<void> {
  const asked = exchange.query.getAll('tags');
  const tags = SLEEP_TAGS.filter((tag) => asked.length === 0 || asked.includes(tag));
  try {
    await exchange.sim.sleepMode.wake(tags);
  } catch (error) {
    if (error instanceof WakeFailure) throw failureError('request-error');
    throw error;
  }
  exchange.send(200, null, '');
}

/** `GET /is_sleeping` */
export function isSleeping(exchange: Exchange): void {
  exchange.json(200, { is_sleeping: exchange.sim.sleepMode.sleeping });
}

/** `POST /collective_rpc {"method"}`; only `reload_weights` does anything. */
export async function collectiveRpc(exchange: Exchange): Promise<void> {
  const body = await exchange.readJson({ required: [], kinds: { method: 'str' } });
  if (typeof body['method'] !== 'string') throw badRequest("Missing 'method' in request body");
  if (body['method'] === 'reload_weights') await exchange.sim.sleepMode.reloadWeights();
  exchange.json(200, { results: [null] });
}

/** `POST /reset_prefix_cache` */
export function resetPrefixCache(exchange: Exchange): void {
  exchange.sim.engine.scheduler.pool.forgetAll();
  exchange.json(200, { success: true });
}

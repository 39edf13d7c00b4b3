import type { Exchange } from './exchange.ts';

/** `POST /sleep?level=1`: requests wait until the engine is woken; those in flight are aborted. */
export function sleep(exchange: Exchange): void {
  const { engine } = exchange.sim;
  if (exchange.query.get('mode') !== 'keep') engine.abortAll();
  engine.sleepLevel = exchange.query.get('level') === '2' ? 2 : 1;
  exchange.send(200, null, '');
}

/** `POST /wake_up` */
export function wakeUp(exchange: Exchange): void {
  exchange.sim.engine.sleepLevel = 0;
  exchange.send(200, null, '');
}

/** `GET /is_sleeping` */
export function isSleeping(exchange: Exchange): void {
  exchange.json(200, { is_sleeping: exchange.sim.engine.sleepLevel > 0 });
}

/** `POST /reset_prefix_cache` */
export function resetPrefixCache(exchange: Exchange): void {
  exchange.sim.engine.scheduler.pool.forgetAll();
  exchange.json(200, { success: true });
}

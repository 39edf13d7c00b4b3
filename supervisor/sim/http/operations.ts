import { renderMetrics } from '../engine/metrics-page.ts';
import { VERSION } from '../settings/settings.ts';
import { badRequest } from '../request/api-error.ts';
import type { Exchange } from '../request/exchange.ts';
import { isFault } from '../settings/faults.ts';

/** `GET /health`: 200 as long as the engine is not known to be dead, whatever else is wrong. */
export function health(exchange: Exchange): void {
  exchange.send(exchange.sim.engine.dead ? 503 : 200, null, '');
}

/** `GET /load` */
export function load(exchange: Exchange): void {
  exchange.json(200, { server_load: exchange.sim.settings.serverLoadTracking ? exchange.sim.serverLoad : 0 });
}

/** `GET /version` */
export function version(exchange: Exchange): void {
  exchange.json(200, { version: VERSION });
}

/** `/metrics`, by any method: it is an application of its own that vLLM has mounted there. */
export function metrics(exchange: Exchange): void {
  const type = 'text/plain; version=0.0.4; charset=utf-8';
  if (exchange.request.method === 'GET') exchange.send(200, type, renderMetrics(exchange.sim));
  else exchange.chunked(type, renderMetrics(exchange.sim));
}

/** `POST /sim/fault {"fault","count","after_tokens"}`: something is to go wrong. `none` ends what lasts. */
export async function simFault(exchange: Exchange): Promise<void> {
  const body = await exchange.readJson({ required: ['fault'], kinds: { fault: 'str', count: 'int', after_tokens: 'int' } });
  const fault = String(body['fault']);
  const count = typeof body['count'] === 'number' ? body['count'] : 1;
  const afterTokens = typeof body['after_tokens'] === 'number' ? body['after_tokens'] : null;
  const done = fault === 'none' || isFault(fault) ? exchange.sim.strike(fault, count, afterTokens) : null;
  if (done === null) throw badRequest(`The fault \`${fault}\` is not known, or cannot strike a server that is already up.`, 'fault');
  exchange.json(200, { fault, count, after_tokens: afterTokens, effect: done });
}

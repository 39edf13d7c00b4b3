import type { Call } from '../call.ts';
import { viaOf } from './via.ts';

const PLAIN = /^[\x20-\x7e]{1,256}$/;

/**
 * Headers of a call to a worker that is a gateway: those that it has come by, `own` (an id) being the last, and what its client wants of
 * whoever keeps, orders or replaces answers, which holds there as well.
 */
export function toGateway({ cameBy, cacheControl, priority, isLine, keepsModel }: Call, own: string): Record<string, string> {
  return {
    via: viaOf([...cameBy, own]),
    ...(cacheControl !== null && PLAIN.test(cacheControl) && { 'cache-control': cacheControl }),
    ...(priority === 'batch' && { 'x-headgate-priority': 'batch' }),
    // A line of a batch waits for its own model.
    ...((isLine || keepsModel) && { 'x-headgate-fallback': 'none' }),
  };
}

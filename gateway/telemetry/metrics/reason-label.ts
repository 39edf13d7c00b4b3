import { OVERFLOW_LABEL } from './series.ts';

/**
 * A reason as a label: kept if it reads like a name from a closed list, else `other`. A sentence with figures in it would make
 * a new series each time; it belongs in the log.
 */
export function labelFrom(reason: string): string {
  return /^[a-z][a-z0-9_:-]{0,47}$/.test(reason) ? reason : OVERFLOW_LABEL;
}

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** A request method as a label; what no route could ever be of is `other`. */
export function methodLabel(method: string): string {
  return METHODS.has(method) ? method : OVERFLOW_LABEL;
}

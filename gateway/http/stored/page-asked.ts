import { inRange, invalid } from '../../openai/param-refusals.ts';
import type { Page } from '../../state/store/file-terms.ts';

export interface PageRule {
  readonly usualLimit: number;
  readonly mostLimit: number;
}

/** Which page of a list a query asks for. @throws invalid_value, with OpenAI's codes */
export function pageAsked(query: (name: string) => string | undefined, { usualLimit, mostLimit }: PageRule): Page {
  const [limit, order = 'desc', after] = [query('limit'), query('order'), query('after')];
  if (order !== 'asc' && order !== 'desc') {
    throw invalid(`Invalid value: '${order.slice(0, 100)}'. Supported values are: 'asc' and 'desc'.`, 'order');
  }
  if (limit !== undefined && !/^[+-]?\d{1,15}$/.test(limit)) throw invalid("Invalid 'limit': expected an integer.", 'limit');
  return {
    limit: limit === undefined ? usualLimit : inRange(Number(limit), 1, mostLimit, 'limit'),
    order,
    after: after === undefined || after === '' ? null : after,
  };
}

/** @throws invalid_value for a page that begins after what is not there */
export function checkAfter(isKnown: boolean, after: string | null): void {
  if (!isKnown) throw invalid(`Invalid 'after': there is no ${shown(after ?? '')}.`, 'after');
}

function shown(id: string): string {
  return id.slice(0, 100).replaceAll(/[^\x20-\x7e]/g, '?');
}

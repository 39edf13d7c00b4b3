import { MOST_LEASE_MINUTES } from '../../gateway/link/lease-path.ts';
import type { LeaseAsked } from '../lease/asked.ts';

const MOST_LAPSE_S = 3600;
const LONGEST_NAME = 80;

/** What a query asks for; null: it asks for nothing sensible. */
export function leaseAsked(query: URLSearchParams): LeaseAsked | null {
  const [id, minutes, lapseSeconds] = [
    query.get('id') ?? '',
    amount(query, 'minutes', MOST_LEASE_MINUTES),
    amount(query, 'lapse', MOST_LAPSE_S),
  ];
  if (id === '' || id.length > LONGEST_NAME || minutes === undefined || lapseSeconds === undefined) return null;
  const holder = (query.get('holder') ?? 'somebody').slice(0, LONGEST_NAME);
  return { gpu: query.get('gpu'), id, holder, minutes, lapseSeconds };
}

/** null: it is not said; undefined: it is no such amount. */
function amount(query: URLSearchParams, name: string, most: number): number | null | undefined {
  const text = query.get(name);
  if (text === null) return null;
  const value = Number(text);
  return value > 0 && value <= most ? value : undefined;
}

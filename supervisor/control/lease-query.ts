import { MOST_GRACE_S, MOST_LEASE_MINUTES } from '../../gateway/link/lease-path.ts';
import type { LeaseAsked } from '../lease/asked.ts';

const MOST_LAPSE_S = 3600;
const LONGEST_NAME = 80;

/** What a query asks for; null: it asks for nothing sensible. */
export function leaseAsked(query: URLSearchParams): LeaseAsked | null {
  const [id, minutes, lapseSeconds, graceSeconds] = [
    query.get('id') ?? '',
    amount(query, 'minutes', MOST_LEASE_MINUTES + MOST_GRACE_S / 60),
    amount(query, 'lapse', MOST_LAPSE_S),
    amount(query, 'grace', MOST_GRACE_S),
  ];
  if (id === '' || id.length > LONGEST_NAME || minutes === undefined || lapseSeconds === undefined || graceSeconds === undefined)
    return null;
  const isNamed = query.get('named') === 'true' && query.has('holder');
  const holder = (query.get('holder') ?? 'somebody').slice(0, LONGEST_NAME);
  return { gpu: query.get('gpu'), id, holder, isNamed, minutes, graceSeconds: graceSeconds ?? 0, lapseSeconds };
}

/** null: it is not said; undefined: it is no such amount. */
function amount(query: URLSearchParams, name: string, most: number): number | null | undefined {
  const text = query.get(name);
  if (text === null) return null;
  const value = Number(text);
  return value > 0 && value <= most ? value : undefined;
}

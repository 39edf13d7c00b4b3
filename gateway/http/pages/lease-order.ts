import { type LeaseAsked, MOST_GRACE_S, MOST_LEASE_MINUTES } from '../../link/lease-path.ts';

const LEAST_LAPSE_S = 5;
const MOST_LAPSE_S = 3_600;
/** As it is shown and written down: one line, and no more of it. */
const NAME = /^[\p{L}\p{N}\p{P}\p{S} ]{1,80}$/u;
const ID = /^[\w.-]{1,80}$/;
const KNOWN = ['gpu', 'minutes', 'holder', 'id', 'lapse_seconds', 'grace_seconds', 'end'];

/** Reads the body of a request. @returns what is wrong with it, as a sentence without its stop */
export function readLeaseOrder(body: unknown): LeaseAsked | string {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    return 'A lease is asked for with an object, such as {"gpu": 0, "minutes": 30}';
  const {
    gpu = null,
    minutes = null,
    holder = null,
    id = null,
    lapse_seconds: lapse = null,
    grace_seconds: grace = null,
    end = false,
  } = body as Readonly<Record<string, unknown>>;
  const stranger = Object.keys(body).find((name) => !KNOWN.includes(name));
  if (stranger !== undefined) return `${JSON.stringify(stranger.slice(0, 40))} is not known; a lease has ${KNOWN.join(', ')}`;
  if (!isCard(gpu)) return '"gpu" is the number of a card, or its id';
  if (id !== null && (typeof id !== 'string' || !ID.test(id))) return '"id" is that of a lease: up to 80 letters, digits, dots and dashes';
  const card = gpu === null ? null : String(gpu);
  if (typeof end !== 'boolean') return '"end" is true or false';
  if (end) return { kind: 'end', gpu: card, id };
  if (minutes === null && id === null) return '"minutes" is how long the card is lent: 1 to 1440';
  if (minutes !== null && !(typeof minutes === 'number' && minutes >= 1 && minutes <= MOST_LEASE_MINUTES))
    return `"minutes" is how long the card is lent: 1 to ${MOST_LEASE_MINUTES}`;
  if (holder !== null && (typeof holder !== 'string' || !NAME.test(holder)))
    return '"holder" is who has the card meanwhile: up to 80 letters on one line';
  if (lapse !== null && !(typeof lapse === 'number' && lapse >= LEAST_LAPSE_S && lapse <= MOST_LAPSE_S))
    return `"lapse_seconds" is after which silence the lease is over: ${LEAST_LAPSE_S} to ${MOST_LAPSE_S}`;
  if (grace !== null && !(typeof grace === 'number' && grace > 0 && grace <= MOST_GRACE_S))
    return `"grace_seconds" is what the end may take beyond the minutes: up to ${MOST_GRACE_S}`;
  return { kind: 'lend', gpu: card, id, holder, minutes, graceSeconds: grace, lapseSeconds: lapse };
}

function isCard(gpu: unknown): gpu is number | string | null {
  if (gpu === null) return true;
  return typeof gpu === 'number' ? Number.isInteger(gpu) && gpu >= 0 : typeof gpu === 'string' && /^[\w-]{1,80}$/.test(gpu);
}

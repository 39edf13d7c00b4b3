/** One card in somebody else's hands. Times are monotonic milliseconds: no clock that is set anew makes it longer. */
export interface CardLease {
  readonly id: string;
  readonly gpuUuid: string;
  readonly holder: string;
  /** Begun without an id of its own: whoever goes by its holder's name is its holder. */
  readonly isNamed: boolean;
  /** preparing: its workers are leaving · lent: its holder has it. */
  readonly state: 'preparing' | 'lent';
  /** How long it was lent for; its time begins when the card is free. */
  readonly lengthMs: number;
  /** The last of it, which is for the end and promised to nobody. */
  readonly graceMs: number;
  /** While it is prepared: if it were free now. */
  readonly endsAtMs: number;
  /** Whoever holds it says so more often than this; null: nobody has to. */
  readonly lapseMs: number | null;
  readonly heardAtMs: number;
}

/** Of a card, at most one. By the id of the card. */
export type LeaseBook = ReadonlyMap<string, CardLease>;

export const NO_LEASES: LeaseBook = new Map();

export interface LeaseWish {
  readonly id: string;
  readonly gpuUuid: string;
  readonly holder: string;
  /** Whoever asks brings no id, but a name of their own. */
  readonly isNamed: boolean;
  /** null: a sign of life, for as long as was agreed. */
  readonly lengthMs: number | null;
  readonly graceMs: number;
  readonly lapseMs: number | null;
}

export type LeaseAnswer =
  | { readonly kind: 'new' | 'renewed'; readonly book: LeaseBook; readonly lease: CardLease }
  /** Somebody else has the card. */
  | { readonly kind: 'taken'; readonly by: CardLease }
  /** A sign of life of a lease that is no more. */
  | { readonly kind: 'gone' };

/**
 * Asks for a card, for longer, or just goes on. The same holder is whoever knows the lease's id; where neither has brought one, also whoever
 * goes by its name. Two who run a program of one name bring an id each, and two without a name are not one.
 */
export function ask(book: LeaseBook, wish: LeaseWish, nowMs: number): LeaseAnswer {
  const { id, gpuUuid, holder, isNamed, lengthMs, graceMs, lapseMs } = wish;
  const held = book.get(gpuUuid);
  const isByName = lengthMs !== null && isNamed && held?.isNamed === true && held.holder === holder;
  if (held && (held.id === id || isByName)) {
    const length = lengthMs === null ? {} : { lengthMs, graceMs, lapseMs, endsAtMs: nowMs + lengthMs };
    const lease = { ...held, ...length, heardAtMs: nowMs };
    return { kind: 'renewed', book: withLease(book, lease), lease };
  }
  if (lengthMs === null) return { kind: 'gone' };
  if (held) return { kind: 'taken', by: held };
  const times = { lengthMs, graceMs, endsAtMs: nowMs + lengthMs, lapseMs, heardAtMs: nowMs };
  const lease: CardLease = { id, gpuUuid, holder, isNamed, state: 'preparing', ...times };
  return { kind: 'new', book: withLease(book, lease), lease };
}

/** The card is free: the holder's time begins. */
export function grant(book: LeaseBook, { id, gpuUuid }: CardLease, nowMs: number): LeaseBook {
  const held = book.get(gpuUuid);
  if (held?.id !== id || held.state === 'lent') return book;
  return withLease(book, { ...held, state: 'lent', endsAtMs: nowMs + held.lengthMs, heardAtMs: Math.max(held.heardAtMs, nowMs) });
}

export function without(book: LeaseBook, gpuUuid: string): LeaseBook {
  return new Map([...book].filter(([uuid]) => uuid !== gpuUuid));
}

/** What is left of the time that its holder was promised. */
export function promisedLeftMs({ state, endsAtMs, lengthMs, graceMs }: CardLease, nowMs: number): number {
  return (state === 'lent' ? endsAtMs - nowMs : lengthMs) - graceMs;
}

/** Why a lease is over by now; null: it is not. One that is being prepared ends in other ways. */
export function overBy({ state, endsAtMs, lapseMs, heardAtMs }: CardLease, nowMs: number): 'time' | 'lapsed' | null {
  if (state === 'lent' && nowMs >= endsAtMs) return 'time';
  return lapseMs !== null && nowMs >= heardAtMs + lapseMs ? 'lapsed' : null;
}

/** When the next of them is over, if nothing is heard; Infinity: none is. */
export function nextEndMs(book: LeaseBook): number {
  return Math.min(
    ...[...book.values()].map(({ state, endsAtMs, lapseMs, heardAtMs }) =>
      Math.min(state === 'lent' ? endsAtMs : Infinity, lapseMs === null ? Infinity : heardAtMs + lapseMs),
    ),
  );
}

/** How long a start on these cards is held up by leases. 0: it is not. */
export function heldUpMs(book: LeaseBook, gpuUuids: readonly string[], nowMs: number): number {
  return Math.max(
    0,
    ...gpuUuids.map((uuid) => {
      const lease = book.get(uuid);
      if (!lease) return 0;
      return lease.state === 'lent' ? Math.max(0, lease.endsAtMs - nowMs) : lease.lengthMs;
    }),
  );
}

/**
 * A lease that an earlier supervisor has left: what was left of it when that last wrote it down, or less, by the wall clock. So a clock
 * that was set back meanwhile gives it no more time than it had. Its holder is taken to be there still.
 */
export function resumed(
  lease: Omit<CardLease, 'endsAtMs' | 'heardAtMs'>,
  { leftMs, untilWallMs }: { readonly leftMs: number; readonly untilWallMs: number },
  { nowMs, wallMs }: { readonly nowMs: number; readonly wallMs: number },
): CardLease | null {
  // One that was still being prepared begins anew, and not with more than it would have had.
  const left = lease.state === 'lent' ? Math.min(leftMs, untilWallMs - wallMs) : Math.min(lease.lengthMs, leftMs);
  const lengthMs = lease.state === 'lent' ? lease.lengthMs : left;
  return left > 0 ? { ...lease, lengthMs, endsAtMs: nowMs + left, heardAtMs: nowMs } : null;
}

function withLease(book: LeaseBook, lease: CardLease): LeaseBook {
  return new Map([...book, [lease.gpuUuid, lease]]);
}

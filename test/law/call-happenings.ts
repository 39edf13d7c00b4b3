import fc from 'fast-check';

/** How one house is set up. Times are short, so that all of them run out now and then. */
export interface House {
  readonly seed: number;
  /** Sequences each worker runs at once. */
  readonly workers: readonly number[];
  readonly window_ms: 0 | 20 | 50;
  readonly max_batch_size: number;
  readonly max_queue: number;
  readonly queue_timeout_ms: number;
  readonly max_attempts: number;
  readonly failures: number;
  readonly success_to_close: number;
  readonly keep_alive_ms: number;
  readonly policy: 'p2c' | 'round_robin' | 'least_loaded';
  readonly affinity: 'none' | 'session';
}

export const house: fc.Arbitrary<House> = fc.record({
  seed: fc.nat(),
  workers: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3, size: 'max' }),
  window_ms: fc.constantFrom(0, 20, 50),
  max_batch_size: fc.integer({ min: 1, max: 4 }),
  max_queue: fc.integer({ min: 0, max: 6 }),
  queue_timeout_ms: fc.constantFrom(100, 600),
  max_attempts: fc.integer({ min: 1, max: 3 }),
  failures: fc.integer({ min: 1, max: 4 }),
  success_to_close: fc.integer({ min: 1, max: 2 }),
  keep_alive_ms: fc.constantFrom(0, 60),
  policy: fc.constantFrom('p2c', 'round_robin', 'least_loaded'),
  affinity: fc.constantFrom('none', 'session'),
});

/** What a worker may do with an exchange. What does not fit the moment does nothing, or brings about first what must come before. */
export const WORKER_ACTIONS = [
  'sent',
  'head',
  'token',
  'tokens',
  'split token',
  'finish',
  'done',
  'done and end',
  'end',
  'answer',
  'big answer',
  'abort finish',
  'error event',
  'status 400',
  'status 429',
  'status 500',
  'html',
  'bad json',
  'connect',
  'stale',
  'died',
  'cut',
  'nonsense',
] as const;
export type WorkerAction = (typeof WORKER_ACTIONS)[number];

export type Happening =
  | {
      readonly kind: 'arrive';
      readonly body: 'own' | 'poison';
      readonly stream: boolean;
      /** Whether a complete stream ends with [DONE]. */
      readonly done: boolean;
      readonly priority: 'interactive' | 'batch';
      readonly slow: boolean;
      /** Whether the client leaves before the policies see the call, or while they take it in. */
      readonly gone: 'before' | 'at once' | null;
      readonly session: number;
    }
  | { readonly kind: 'worker'; readonly which: number; readonly action: WorkerAction }
  | { readonly kind: 'client'; readonly which: number; readonly action: 'close' | 'slow' | 'drain' }
  | { readonly kind: 'tick'; readonly ms: number }
  | { readonly kind: 'readiness'; readonly which: number; readonly state: 'ready' | 'starting' | 'gone' }
  | { readonly kind: 'pressure'; readonly which: number; readonly kvUsage: number; readonly waiting: number }
  | { readonly kind: 'reload'; readonly window_ms: 0 | 20 | 50 }
  | { readonly kind: 'drain' }
  | { readonly kind: 'cut all' };

const which = fc.nat({ max: 30 });
const arrive: fc.Arbitrary<Happening> = fc.record({
  kind: fc.constant('arrive' as const),
  body: fc.constantFrom('own', 'own', 'own', 'own', 'poison', 'poison'),
  stream: fc.boolean(),
  done: fc.constantFrom(true, true, true, false),
  priority: fc.constantFrom('interactive', 'batch'),
  slow: fc.constantFrom(false, false, false, true),
  gone: fc.constantFrom(null, null, null, null, null, null, null, null, null, null, 'before' as const, 'at once' as const),
  session: fc.nat({ max: 3 }),
});
// Most of the time workers do as they should, or no call would ever get far.
const good: fc.Arbitrary<Happening> = fc.record({
  kind: fc.constant('worker' as const),
  which,
  action: fc.constantFrom('head', 'token', 'token', 'tokens', 'finish', 'done and end', 'answer'),
});
const any: fc.Arbitrary<Happening> = fc.record({ kind: fc.constant('worker' as const), which, action: fc.constantFrom(...WORKER_ACTIONS) });

const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 14, arbitrary: arrive },
  { weight: 14, arbitrary: good },
  { weight: 12, arbitrary: any },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('client' as const), which, action: fc.constantFrom('close', 'slow', 'drain') }) },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('tick' as const), ms: fc.constantFrom(0, 1, 10, 20, 50, 100, 300, 1_200) }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('readiness' as const), which, state: fc.constantFrom('ready', 'ready', 'starting', 'gone') }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('pressure' as const),
      which,
      kvUsage: fc.constantFrom(0.1, 0.9, 0.99),
      waiting: fc.constantFrom(0, 3),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reload' as const), window_ms: fc.constantFrom(0, 20, 50) }) },
  { weight: 1, arbitrary: fc.constantFrom<Happening>({ kind: 'drain' }, { kind: 'cut all' }) },
);

/** `rest`: whether everything that can happen without time passing has happened before the next event. */
const moment = fc.record({ event: happening, rest: fc.constantFrom(true, true, true, false) });

export const history = fc.array(moment, { minLength: 20, maxLength: 150, size: 'max' });

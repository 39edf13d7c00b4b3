/** An answer to a probe. */
interface Answer {
  readonly status: 200 | 503;
  /** Goes out as JSON. */
  readonly body: object;
}

/** What the gateway last said of itself: what it would answer, by path. */
export type Told = Readonly<Record<'/livez' | '/readyz' | '/startupz', { readonly plain: Answer; readonly verbose: Answer }>>;

/** What the thread needs to know to begin. */
export interface ThreadData {
  readonly host: string;
  readonly port: number;
  readonly stuckMs: number;
  readonly told: Told;
}

/** What the thread says of its socket. */
export type ThreadWord =
  | { readonly kind: 'listening'; readonly url: string }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string };

/** Whoever says nothing of itself for that long serves nobody: a busy gateway is late by a second or two. */
export const STUCK_MS = 30_000;

/**
 * The answer to one probe from what was told `ageMs` ago; null: no probe has this path. Pure.
 * A gateway that is silent for `stuckMs` is neither alive nor ready, whatever it said before.
 */
export function answerOf(told: Told, ageMs: number, stuckMs: number, target: string): Answer | null {
  const { path, verbose } = partsOf(target);
  const known = path === '/health' ? '/livez' : path;
  if (known !== '/livez' && known !== '/readyz' && known !== '/startupz') return null;
  if (known !== '/startupz' && ageMs >= stuckMs)
    return { status: 503, body: { status: 'stuck', silent_seconds: Math.floor(ageMs / 1_000) } };
  return verbose ? told[known].verbose : told[known].plain;
}

function partsOf(target: string): { path: string; verbose: boolean } {
  const at = target.indexOf('?');
  if (at < 0) return { path: target, verbose: false };
  return { path: target.slice(0, at), verbose: saysVerbose(new URLSearchParams(target.slice(at)).get('verbose') ?? undefined) };
}

/** Whether `?verbose`, `?verbose=1` and the like ask for more. */
export function saysVerbose(value: string | undefined): boolean {
  return value !== undefined && value !== '0' && value !== 'false';
}
